//! What the daemon answers and tells.

use martlet_protocol::control::{
    Contact, ConversationSummary, Direction, EndedReason, ErrorCode, Event, EventBody, Message,
    MessageRequest, RoomPerson,
};

use super::{Ask, Fate, Feed, Focus, Link, Model, Place, Told};
use crate::client::ClientError;
use crate::render::one_line;

impl Model {
    pub(super) fn feed(&mut self, feed: Feed, asks: &mut Vec<Ask>) {
        match feed {
            Feed::Up { whole } => self.up(whole, asks),
            Feed::Down(link) => {
                // What was given to the daemon may or may not have been done: its answers tell.
                if link != self.link && link == Link::Locked {
                    asks.push(Ask::Status);
                    self.forget();
                }
                self.link = link;
            }
            Feed::Event(event) => self.event(*event, asks),
            Feed::Unknown => {
                self.notice =
                    Some("The daemon is newer and tells more than this shows.".to_owned());
            }
        }
    }

    /// The vault is locked: what it keeps is kept here no longer. What the user typed stays.
    fn forget(&mut self) {
        self.overlay = None;
        self.seek.find = None;
        self.seek.prompt = None;
        self.seek.search = None;
        self.contacts.clear();
        self.rooms.clear();
        self.requests = super::Requests::default();
        for conversation in self.conversations.values_mut() {
            conversation.forget();
        }
    }

    /// Events come; what they don't tell is asked for.
    fn up(&mut self, whole: bool, asks: &mut Vec<Ask>) {
        self.link = Link::Up;
        asks.extend([Ask::Rooms, Ask::Contacts, Ask::Requests, Ask::Status, Ask::Doctor]);
        if !whole {
            for conversation in self.conversations.values_mut() {
                conversation.loaded = false;
            }
        }
        // Asked for in vain, if it was.
        for conversation in self.conversations.values_mut() {
            conversation.loading = false;
        }
        if let Some(place) = self.open.clone().filter(|place| *place != Place::Requests) {
            self.ask_draft(&place, asks);
            self.know_timers(&place, asks);
            asks.push(Ask::Page { place, before: None });
        }
        self.send_next(asks);
        self.read_open(asks);
    }

    pub(super) fn told(&mut self, told: Told, asks: &mut Vec<Ask>) {
        match told {
            Told::Status(status) => {
                self.status = Some(*status);
                // What was refused only because the daemon was on its way out.
                self.send_next(asks);
            }
            Told::Doctor(diagnosis) => self.doctor = Some(diagnosis),
            Told::Contacts(contacts) => self.take_contacts(contacts, asks),
            Told::Rooms(rooms) => self.take_rooms(rooms, asks),
            Told::Requests(requests) => self.take_requests(requests, asks),
            Told::Draft { name, text } => self.take_draft(name, text),
            Told::Conversations(list) => self.take_conversations(list),
            Told::Edited { result: Ok(message), .. } => {
                if let Some(conversation) = self.conversations.get_mut(&place_of(&message)) {
                    conversation.replace(*message);
                }
            }
            Told::Edited { place, text, result: Err(error) } => {
                self.give_back(&place, text);
                self.notice = Some(one_line(&error.to_string()));
            }
            Told::Page { place, before, history } => {
                if before.is_none() {
                    self.settle(&place, &history, asks);
                }
                let entry = |model: &mut Self| {
                    let conversation = model.conversations.entry(place.clone()).or_default();
                    conversation.take_page(before.as_deref(), history);
                };
                match before {
                    // Above what is seen: lines are counted from below.
                    Some(_) => entry(self),
                    None => self.keeping_place(&place, entry),
                }
                if self.open.as_ref() == Some(&place) {
                    self.hold_scroll(asks);
                    self.read_open(asks);
                    self.go_on_seeking(&place, asks);
                }
            }
            Told::PageFailed { place, error } => {
                if let Some(conversation) = self.conversations.get_mut(&place) {
                    conversation.loading = false;
                    conversation.sought = None;
                }
                self.failed(&error);
            }
            Told::Sent { ticket, place, result } => self.sent(ticket, &place, result, asks),
            Told::Read { name, answer } => {
                if answer.marked > 0
                    && let Some(conversation) = self.conversations.get_mut(&Place::Contact(name))
                {
                    conversation.read();
                }
            }
            Told::Accepted(contact) => {
                self.notice = Some(format!("{} is a contact now.", one_line(&contact.name)));
                asks.push(Ask::Requests);
                let place = Place::Contact(contact.name.clone());
                self.add_contact(contact);
                self.focus = Focus::Input;
                self.show(place, asks);
            }
            Told::Found { words, found } => self.take_found(words, found),
            Told::Timers { name, timers } => {
                let conversation = self.conversations.entry(Place::Contact(name)).or_default();
                conversation.timers = Some(timers);
            }
            Told::Settings { name, settings } => {
                let conversation = self.conversations.entry(Place::Contact(name)).or_default();
                (conversation.muted, conversation.pinned) = (settings.muted, settings.pinned);
            }
            Told::Dropped { id } => {
                let list = std::mem::take(&mut self.requests.list);
                let left = list.into_iter().filter(|request| request.id != id).collect();
                self.requests.replace(left);
                self.notice = Some("Dropped: what they send is not looked at.".to_owned());
                self.leave_empty_requests(asks);
            }
            Told::Recalled { id } => self.ended(&id, EndedReason::Recalled, None),
            Told::Done => {}
            Told::Undone { what, error } => self.notice = Some(super::ask::failed(what, &error)),
            Told::Unlocked(Ok(())) => self.notice = None,
            Told::Unlocked(Err(error)) | Told::Failed(error) => self.failed(&error),
        }
    }

    /// Tells of a failure, unless the status line tells of its cause.
    fn failed(&mut self, error: &ClientError) {
        match error {
            ClientError::NotRunning { .. } | ClientError::Disconnected { .. } => {}
            ClientError::Problem(problem)
                if matches!(problem.code, ErrorCode::Locked | ErrorCode::Stopping) => {}
            ClientError::Connect { .. }
            | ClientError::Problem(_)
            | ClientError::Timeout
            | ClientError::Protocol(_)
            | ClientError::UnknownEvent { .. } => self.notice = Some(one_line(&error.to_string())),
        }
    }

    fn take_contacts(&mut self, contacts: Vec<Contact>, asks: &mut Vec<Ask>) {
        for contact in &contacts {
            let place = Place::Contact(contact.name.clone());
            let conversation = self.conversations.entry(place).or_default();
            conversation.unread = contact.unread;
            // For its place in the list.
        }
        asks.push(Ask::Conversations);
        self.contacts = contacts;
        let is_there = |place: &Place| match place {
            Place::Contact(name) => self.has_conversation(name),
            Place::Notes | Place::Requests => true,
        };
        let gone = self.open.as_ref().is_some_and(|open| !is_there(open));
        if gone {
            self.open = None;
            self.focus = Focus::List;
        }
        if let Some(name) = self.seek.wanted.take() {
            if self.has_conversation(&name) {
                self.show(Place::Contact(name), asks);
            } else {
                self.focus = Focus::List;
                let name = one_line(&name);
                self.notice = Some(format!("There is no contact and no room called {name}."));
            }
        }
        if self.cursor.is_none() {
            self.cursor = self.places().first().cloned();
        }
        self.read_open(asks);
    }

    /// What the list is ordered by.
    fn take_conversations(&mut self, list: Vec<ConversationSummary>) {
        for summary in list {
            let place = Place::Contact(summary.name);
            let conversation = self.conversations.entry(place).or_default();
            conversation.pinned = summary.settings.pinned;
            conversation.muted = summary.settings.muted;
            let text = summary.last.map_or_else(String::new, |last| last.text);
            if let Some(at) = summary.last_at
                && conversation.newest.as_ref().is_none_or(|(known, _)| *known < at)
            {
                conversation.newest = Some((at, text));
            }
        }
    }

    fn add_contact(&mut self, contact: Contact) {
        let place = Place::Contact(contact.name.clone());
        self.conversations.entry(place).or_default().unread = contact.unread;
        self.contacts.retain(|other| other.id != contact.id);
        self.contacts.push(contact);
    }

    fn take_requests(&mut self, requests: Vec<MessageRequest>, asks: &mut Vec<Ask>) {
        self.requests.replace(requests);
        self.leave_empty_requests(asks);
    }

    fn leave_empty_requests(&mut self, asks: &mut Vec<Ask>) {
        if self.requests.list.is_empty() && self.open == Some(Place::Requests) {
            self.open = None;
            self.cursor = None;
            self.move_to_first(asks);
        }
    }

    fn move_to_first(&mut self, asks: &mut Vec<Ask>) {
        match self.places().first().cloned() {
            Some(place @ Place::Contact(_)) => self.show(place, asks),
            place => {
                self.cursor = place;
                self.focus = Focus::List;
            }
        }
    }

    fn event(&mut self, event: Event, asks: &mut Vec<Ask>) {
        match event.body {
            EventBody::MessageReceived { message } => self.message(message, asks),
            EventBody::MessageQueued { message } => {
                let place = place_of(&message);
                self.committed(&place, &message.id, &message.text, asks);
                self.message(message, asks);
            }
            EventBody::MessageState { id, conversation, state } => {
                let place = Place::Contact(conversation);
                if let Some(conversation) = self.conversations.get_mut(&place) {
                    conversation.advance(&id, state);
                }
            }
            EventBody::MessageReached { id, conversation, received } => {
                if let Some(conversation) =
                    self.conversations.get_mut(&Place::Contact(conversation))
                {
                    conversation.reached(&id, received);
                }
            }
            EventBody::RequestReceived { .. } => asks.push(Ask::Requests),
            EventBody::ContactAdded { .. } => asks.extend([Ask::Contacts, Ask::Requests]),
            EventBody::ContactReachable { .. } | EventBody::ContactProfile { .. } => {
                asks.push(Ask::Contacts);
            }
            EventBody::InviteUsed { name, .. } => {
                self.notice = Some(format!("{} came by your invite.", one_line(&name)));
                asks.push(Ask::Contacts);
            }
            body @ (EventBody::RoomJoined { .. }
            | EventBody::RoomLeft { .. }
            | EventBody::RoomChanged { .. }
            | EventBody::RoomUndone { .. }
            | EventBody::RoomEquivocation { .. }) => self.room_event(&body, asks),
            EventBody::InviteAccepted { name } => {
                self.notice = Some(format!("{} knows you now.", one_line(&name)));
            }
            EventBody::InviteRefused { number, .. } => {
                self.notice = Some(format!(
                    "Someone came by your invite {number}, which is good no more: martletctl invite list"
                ));
            }
            EventBody::ContactDevicesChanged { name, devices } => {
                self.notice = Some(crate::render::new_device(&name, devices));
                asks.push(Ask::Contacts);
            }
            EventBody::ContactVerified { name, .. } => {
                // What waited for it goes on.
                let place = Place::Contact(name);
                if self.conversations.get(&place).is_some_and(|it| it.loaded) {
                    asks.push(Ask::Page { place, before: None });
                }
                asks.push(Ask::Contacts);
            }
            EventBody::ContactRenamed { id, to, .. } => self.renamed(&id, to, asks),
            EventBody::ContactRemoved { name } => {
                if let Some(name) = name {
                    self.conversations.remove(&Place::Contact(name));
                }
                asks.push(Ask::Contacts);
            }
            EventBody::ConversationRead { name, .. } => {
                if let Some(conversation) = self.conversations.get_mut(&Place::Contact(name)) {
                    conversation.read();
                }
            }
            EventBody::MessageEnded { id, reason, by, .. } => {
                self.ended(&id, reason, by.as_deref())
            }
            EventBody::ConversationCleared { name } => {
                if let Some(conversation) = self.conversations.get_mut(&Place::Contact(name)) {
                    conversation.clear();
                }
            }
            EventBody::MessageEdited { message }
            | EventBody::FileReceived { message }
            | EventBody::FileFailed { message } => {
                let place = place_of(&message);
                self.keeping_place(&place, |model| {
                    if let Some(conversation) = model.conversations.get_mut(&place) {
                        conversation.replace(message);
                    }
                });
            }
            // The history says where.
            EventBody::MessagesLost { conversation, .. }
            | EventBody::MessageReaction { conversation, .. }
            | EventBody::MessageRead { conversation, .. } => {
                asks.push(Ask::Page { place: Place::Contact(conversation), before: None });
            }
            EventBody::Typing { conversation } => {
                let now = self.clock.now();
                let conversation = self.conversations.entry(Place::Contact(conversation));
                conversation.or_default().typing = Some(now);
            }
            EventBody::ContactTerminated { name, .. } => {
                self.notice = Some(format!(
                    "The identity of {} was terminated: nothing can be sent to them any more.",
                    one_line(&name)
                ));
                asks.push(Ask::Contacts);
            }
            EventBody::AccountTerminated => {
                let notice = "Your identity was terminated: nothing can be sent any more.";
                self.notice = Some(notice.to_owned());
                asks.push(Ask::Doctor);
            }
            EventBody::ContactDevices { .. }
            | EventBody::DevicesChanged
            | EventBody::FileProgress { .. }
            | EventBody::Gone { .. } => {}
        }
    }

    /// A message is gone from this device, whichever conversation it was of.
    fn ended(&mut self, id: &str, reason: EndedReason, by: Option<&RoomPerson>) {
        let found = self.conversations.iter().find(|(_, it)| it.place(id).is_some());
        let Some(place) = found.map(|(place, _)| place.clone()) else { return };
        self.keeping_place(&place, |model| {
            let Some(conversation) = model.conversations.get_mut(&place) else { return };
            match reason {
                EndedReason::Recalled => conversation.recall(id, by),
                EndedReason::Expired
                | EndedReason::Burned
                | EndedReason::Deleted
                | EndedReason::Replaced => conversation.end(id),
            }
        });
    }

    fn message(&mut self, message: Message, asks: &mut Vec<Ask>) {
        let place = place_of(&message);
        let is_in = message.direction == Direction::In;
        let is_open = self.open.as_ref() == Some(&place);
        let is_seen = is_open && self.attention.focused;
        let id = message.id.clone();
        if let (Some(_), Place::Contact(name)) = (&message.sets_timers, &place) {
            // Which of several count, the daemon knows.
            asks.push(Ask::Timers { name: name.clone() });
        }
        self.keeping_place(&place, |model| {
            let conversation = model.conversations.entry(place.clone()).or_default();
            let is_new = conversation.take(message);
            if is_new && is_in {
                conversation.typing = None;
                conversation.unread += 1;
                // Read below, if it is seen.
                if is_open && !is_seen && conversation.unread_from.is_none() {
                    conversation.unread_from = Some(id);
                }
            }
        });
        if is_open {
            self.hold_scroll(asks);
            self.read_on(&place, is_in, asks);
        }
    }

    /// A message that comes while it is looked at is read at once, and no line says that it is new.
    fn read_on(&mut self, place: &Place, is_in: bool, asks: &mut Vec<Ask>) {
        let before = self.conversation(place).and_then(|it| it.unread_from.clone());
        let asked = asks.len();
        self.read_open(asks);
        if is_in
            && asks.len() > asked
            && let Some(conversation) = self.conversations.get_mut(place)
        {
            conversation.unread_from = before;
        }
    }

    fn renamed(&mut self, id: &str, to: String, asks: &mut Vec<Ask>) {
        let from = self.contacts.iter_mut().find(|contact| contact.id == id);
        if let Some(contact) = from {
            let from = Place::Contact(std::mem::replace(&mut contact.name, to.clone()));
            let to = Place::Contact(to);
            if let Some(conversation) = self.conversations.remove(&from) {
                self.conversations.insert(to.clone(), conversation);
            }
            for place in [&mut self.open, &mut self.cursor] {
                if place.as_ref() == Some(&from) {
                    *place = Some(to.clone());
                }
            }
            for waiting in &mut self.outgoing.queue {
                if waiting.place == from && waiting.fate != Fate::Asked {
                    waiting.place = to.clone();
                }
            }
        }
        asks.push(Ask::Contacts);
    }
}

/// Where a message belongs.
fn place_of(message: &Message) -> Place {
    match message.direction {
        Direction::In | Direction::Out => Place::Contact(message.conversation.clone()),
        Direction::Note => Place::Notes,
    }
}
