//! Two sides of a sync, without a network between them: what one asks, the other is given.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::ops::Range;
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use martlet_protocol::limits::{
    RECONCILE_FRAME_BYTES_MAX, SYNC_REQUEST_BYTES_MAX, SYNC_RESPONSE_BYTES_MAX,
};
use martlet_protocol::{Ack, AckSecret, ExpiryHour, Header, Kind, Shard, codec};
use martlet_store::mailbox::{Acknowledged, MailboxOptions, Source};
use martlet_store::memory::MemoryFile;
use negentropy::Negentropy;

use super::initiator::Summary;
use super::responder::Responder;
use super::schedule::Attempt;
use super::*;

/// A sync of the regular rounds.
const REGULAR: Attempt = Attempt { failures: 0, is_first: false, tells_acks: false };
/// Hours that envelopes are spread over: all six days, but for the next.
const HOURS: u32 = 140;

/// One side: a mailbox in memory, and the least of an engine.
struct Side {
    context: Arc<Context<Engine>>,
    responder: Responder<Engine>,
    from_tasks: mpsc::Receiver<ToSwarm>,
    id: PeerId,
}

struct Engine {
    mailbox: Arc<Mailbox>,
    tickets: Arc<Tickets>,
    /// How many were lacking at each end of a comparison.
    reconciled: Mutex<Vec<usize>>,
}

impl NetSink for Engine {
    async fn deliver(&self, event: FromNet) {
        match event {
            FromNet::Envelopes { envelopes, ticket, .. } => {
                let mut txn = self.mailbox.begin().unwrap();
                for Received { id, envelope, header } in &envelopes {
                    txn.insert(id, envelope, header, Source::Own, now()).unwrap();
                }
                txn.commit().unwrap();
                self.tickets.answer(
                    ticket.unwrap(),
                    Answer::Stored(Stored { any_new: true, refused: None }),
                );
            }
            FromNet::Sift { ids, ticket, .. } => self.tickets.answer(ticket, Answer::Ids(ids)),
            FromNet::Outstanding { ticket, .. } => {
                self.tickets.answer(ticket, Answer::Ids(Vec::new()));
            }
            FromNet::Reconciled { lacking, .. } => {
                self.reconciled.lock().unwrap().push(lacking.len());
            }
            FromNet::Acks { acks, .. } => {
                let mut txn = self.mailbox.begin().unwrap();
                for ack in &acks {
                    txn.acknowledge(ack).unwrap();
                }
                txn.commit().unwrap();
            }
            FromNet::StoredBy { .. }
            | FromNet::PeersTime { .. }
            | FromNet::OffStem(_)
            | FromNet::Found { .. } => {}
        }
    }
}

impl Side {
    fn new(holds: impl IntoIterator<Item = Envelope>) -> Self {
        let options = MailboxOptions {
            bytes_max: 1 << 34,
            bytes_per_source_max: 1 << 34,
            cache_bytes: 8 << 20,
        };
        let mailbox = Arc::new(Mailbox::with_backend(MemoryFile::default(), options).unwrap());
        let mut txn = mailbox.begin().unwrap();
        for envelope in holds {
            let header = Header::parse(&envelope.content).unwrap();
            txn.insert(&envelope.id(), &envelope, &header, Source::Own, now()).unwrap();
        }
        txn.commit().unwrap();
        let tickets = Arc::new(Tickets::default());
        let (mailbox_, tickets_) = (Arc::clone(&mailbox), Arc::clone(&tickets));
        let sink =
            Arc::new(Engine { mailbox: mailbox_, tickets: tickets_, reconciled: Mutex::default() });
        let (swarm, from_tasks) = mpsc::channel(64);
        let context = Arc::new(Context {
            role: Role::Full,
            kept: Kept::new(ShardSet::ALL),
            mailbox,
            sink,
            tickets,
            clock: Arc::new(now),
            network: NetworkDescriptor::default(),
            metrics: Arc::default(),
            swarm,
        });
        let responder = Responder::new(Arc::clone(&context));
        Self { context, responder, from_tasks, id: PeerId::random() }
    }

    fn held(&self) -> u64 {
        self.context.mailbox.view().unwrap().stats().unwrap().envelopes
    }

    /// One sync that this side begins. What `answer` gives takes the place of the other's answer.
    async fn sync(
        &mut self,
        other: &mut Self,
        attempt: Attempt,
        mut answer: impl FnMut(&Self, &Request) -> Option<Result<Response, RequestError>>,
    ) -> Result<Summary, SyncError> {
        let running = initiator::run(Arc::clone(&self.context), other.id, attempt);
        let running = tokio::spawn(running);
        loop {
            match self.from_tasks.recv().await.unwrap() {
                ToSwarm::Request { request, reply, .. } => {
                    let bytes = codec::encode(&request);
                    let request = codec::decode(&bytes, SYNC_REQUEST_BYTES_MAX).unwrap();
                    let response = match answer(other, &request) {
                        Some(response) => response,
                        None => {
                            let (response, is_fault) =
                                other.responder.respond(self.id, request).await;
                            assert!(!is_fault, "an honest peer is held to be at fault");
                            assert!(codec::encode(&response).len() <= SYNC_RESPONSE_BYTES_MAX);
                            Ok(response)
                        }
                    };
                    reply.send(response).unwrap();
                }
                ToSwarm::Ended { result, .. } => {
                    running.await.unwrap();
                    return result;
                }
                ToSwarm::News { .. } => {}
                ToSwarm::Respond { .. }
                | ToSwarm::StoredReported(_)
                | ToSwarm::TimeHeard(..)
                | ToSwarm::LookedUp { .. } => panic!("no part of a sync"),
            }
            while other.from_tasks.try_recv().is_ok() {}
        }
    }

    /// Syncs until nothing is left for another sync, as the schedule does. Gives how many it took.
    async fn sync_all(
        &mut self,
        other: &mut Self,
        mut answer: impl FnMut(&Self, &Request) -> Option<Result<Response, RequestError>>,
    ) -> usize {
        for syncs in 1..10 {
            let summary = self.sync(other, REGULAR, &mut answer).await.unwrap();
            if !summary.is_partial {
                return syncs;
            }
        }
        panic!("no end");
    }
}

fn now() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    UnixMillis(since.as_millis().try_into().unwrap())
}

/// Envelopes that differ by their number, spread over so many hours.
fn envelopes(numbers: Range<u32>, hours: u32) -> impl Iterator<Item = Envelope> {
    let (network, latest) = (NetworkDescriptor::default().tag(), ExpiryHour::latest(now()).0);
    numbers.map(move |number| {
        let expiry = ExpiryHour(latest - number % hours);
        let mut content =
            Header::encode_prefix(Kind::Conversation, network, Shard(0), expiry, 1).to_vec();
        let hash = blake3::hash(&number.to_be_bytes());
        content.extend(hash.as_bytes());
        content.extend([0; 512]);
        Envelope::new(content)
    })
}

/// An envelope for two devices that prove with these secrets that they have it.
fn addressed_to_two(secrets: &[AckSecret; 2]) -> Envelope {
    let (network, latest) = (NetworkDescriptor::default().tag(), ExpiryHour::latest(now()));
    let prefix = Header::encode_prefix(Kind::Conversation, network, Shard(0), latest, 2);
    let mut content = prefix.to_vec();
    content.extend([7; 16]);
    secrets.iter().for_each(|secret| content.extend(secret.commit().0));
    content.extend([0; 512]);
    Envelope::new(content)
}

/// `common` on both sides, and `more` on each: who begins and who is asked.
fn sides(common: u32, more: [u32; 2], hours: u32) -> [Side; 2] {
    let starts = [common, common + more[0]];
    [0, 1].map(|side| {
        let own = starts[side]..starts[side] + more[side];
        Side::new(envelopes(0..common, hours).chain(envelopes(own, hours)))
    })
}

/// The answer of a peer whose frames have a 64th of the usual length: so many rounds as 64 times the envelopes
/// take.
fn in_short_frames(other: &Side, request: &Request) -> Option<Result<Response, RequestError>> {
    let Request::Reconcile { buckets, message } = request else { return None };
    let view = other.context.mailbox.view().unwrap();
    let items = reconcile::collect(&view, buckets, usize::MAX).unwrap().unwrap();
    let mut side = Negentropy::borrowed(&items, RECONCILE_FRAME_BYTES_MAX / 64).unwrap();
    Some(Ok(Response::Reconcile(side.reconcile(message).unwrap())))
}

/// Of 100,000 on each side that the other lacked 64 rounds found three quarters. That was thrown away, the peer
/// was held to be at fault, and the next sync began with the same. With 50,000 here and 250,000 there it was so
/// too, but not the other way round.
#[tokio::test(flavor = "multi_thread")]
async fn a_difference_of_any_size_is_brought_across_whoever_begins() {
    for (common, more, hours) in [
        (4_000, [4_000, 4_000], 1),
        (4_000, [4_000, 4_000], HOURS),
        (0, [2_000, 8_000], 1),
        (0, [2_000, 8_000], HOURS),
        (0, [8_000, 2_000], 1),
        (0, [8_000, 2_000], HOURS),
        (0, [10_000, 0], 1),
        // Too many for one short list, and the peer holds too many for one.
        (0, [40_000, 2_000], HOURS),
        (0, [500, 70_000], HOURS),
    ] {
        let [mut begins, mut asked] = sides(common, more, hours);
        let syncs = begins.sync_all(&mut asked, in_short_frames).await;
        let all = u64::from(common + more[0] + more[1]);
        assert_eq!([begins.held(), asked.held()], [all; 2], "{common} {more:?} {hours}");
        assert!(syncs <= 3, "{common} {more:?} {hours}: {syncs}");
        // Once the other lacks nothing the engine is told so.
        begins.sync_all(&mut asked, in_short_frames).await;
        assert_eq!(begins.context.sink.reconciled.lock().unwrap().last(), Some(&0));
    }
}

/// All was compared before anything was brought across: over a link that was lost again and again nothing ever
/// came.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_found_is_kept_when_the_link_is_lost() {
    let [mut begins, mut asked] = sides(4_000, [4_000, 4_000], HOURS);
    for syncs in 1.. {
        assert!(syncs < 10, "no end");
        let held = begins.held() + asked.held();
        let mut left = 20;
        let lost = begins.sync(&mut asked, REGULAR, |other, request| {
            left -= 1;
            if left < 0 {
                return Some(Err(RequestError::Disconnected));
            }
            in_short_frames(other, request)
        });
        match lost.await {
            Ok(summary) => {
                assert!(!summary.is_partial && syncs > 1, "the link was lost");
                break;
            }
            Err(error) => {
                assert!(matches!(error, SyncError::Request(RequestError::Disconnected)), "{error}");
                assert!(begins.held() + asked.held() > held, "nothing came");
            }
        }
    }
    assert_eq!([begins.held(), asked.held()], [12_000; 2]);
}

/// More ids in one hour than one of the two takes at a time: an error, and the peer's fault.
#[tokio::test(flavor = "multi_thread")]
async fn an_hour_with_more_than_a_comparison_takes_is_offered() {
    let [mut one, mut other] = sides(100, [3_000, 3_000], 1);
    let too_large = |_: &Side, request: &Request| match request {
        Request::ShortList { .. } | Request::Reconcile { .. } => {
            Some(Ok(Response::Refused(Refusal::TooLarge)))
        }
        _ => None,
    };
    one.sync_all(&mut other, too_large).await;
    assert_eq!([one.held(), other.held()], [3_100, 6_100]);
    other.sync_all(&mut one, too_large).await;
    assert_eq!([one.held(), other.held()], [6_100, 6_100]);
    let told = one.context.sink.reconciled.lock().unwrap().clone();
    assert!(told.is_empty(), "what the other lacked is not known");
}

/// Who asked for much was told to come later; that was a failure, after which the batches are smaller, and the
/// requests more.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_peer_ends_a_sync_that_got_on_and_fails_no_other() {
    let [mut begins, mut asked] = sides(0, [3_000, 3_000], 1);
    for (served, gets_on) in [(1, false), (4, true)] {
        let mut left = served;
        let busy = begins.sync(&mut asked, REGULAR, |_, _| {
            left -= 1;
            (left < 0).then_some(Ok(Response::Refused(Refusal::Busy)))
        });
        match busy.await {
            Ok(summary) => assert!(gets_on && summary.is_partial),
            Err(error) => {
                assert!(!gets_on && matches!(error, SyncError::Refused(Refusal::Busy)), "{error}");
            }
        }
    }
}

/// A message to a person with two devices stayed `sent` for ever: of two nodes each had heard of another device's ack, both held
/// the envelope, and no comparison shows a difference in that.
#[tokio::test(flavor = "multi_thread")]
async fn acks_of_some_of_the_addressees_are_told_by_a_sync_now_and_then() {
    let secrets = [1, 2].map(|byte| AckSecret([byte; 16]));
    let envelope = addressed_to_two(&secrets);
    let id = envelope.id();
    let sides = [0, 1].map(|_| Side::new([envelope.clone()]));
    for (side, slot) in sides.iter().zip(0_u8..) {
        let mut txn = side.context.mailbox.begin().unwrap();
        let ack = Ack { envelope: id, slot, secret: secrets[usize::from(slot)].clone() };
        assert_eq!(txn.acknowledge(&ack).unwrap(), Acknowledged::Accepted);
        txn.commit().unwrap();
    }
    let [mut one, mut other] = sides;
    one.sync(&mut other, REGULAR, |_, _| None).await.unwrap();
    assert_eq!([one.held(), other.held()], [1, 1], "not with each");
    let telling = Attempt { tells_acks: true, ..REGULAR };
    one.sync(&mut other, telling, |_, _| None).await.unwrap();
    assert_eq!([one.held(), other.held()], [1, 0], "the one asked knows both");
    // That it is gone is a difference.
    one.sync(&mut other, REGULAR, |_, _| None).await.unwrap();
    assert_eq!([one.held(), other.held()], [0, 0]);
}
