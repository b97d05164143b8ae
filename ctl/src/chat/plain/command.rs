//! What a line typed in plain mode means.

/// What standard input had.
pub(super) enum Typed {
    Line(String),
    /// More than a message may have; what was over is gone.
    TooLong,
    End,
}

/// What commands there are, as `/help` says it.
pub(super) const COMMANDS: &[(&str, &str)] = &[
    ("a line", "is sent to who is open; //… sends a line that begins with a slash"),
    ("/list", "conversations, the newest first"),
    ("/open NAME", "whom lines are for; its last messages are printed"),
    ("/notes", "write to yourself"),
    ("/more", "print older messages"),
    ("/find TEXT", "print messages that have it"),
    ("/search WORDS", "look through all conversations"),
    ("/reply TEXT", "answer the last message there; /reply 2 TEXT the last but one"),
    ("/edit TEXT", "what your last message says instead; /edit 2 TEXT of the last but one"),
    (
        "/react EMOJI",
        "react to the last message there, /react 2 EMOJI to the last but one; /react off",
    ),
    ("/recall", "take back the last thing that you wrote there"),
    ("/timers TIME TIME", "how long messages live there: from sending, from reading; 1h 30s, off"),
    ("/mute, /unmute, /pin, /unpin", "the conversation that is open"),
    ("/add ID NAME", "make a contact of who has this ID"),
    ("/requests", "unknown people who have written"),
    ("/accept NUMBER NAME", "make a contact of one"),
    ("/drop NUMBER", "drop one"),
    ("/status", "peers, and what is wrong"),
    ("/unlock", "ask for the passphrase of a locked vault"),
    ("/quit", "end once all is sent; so does the end of the input"),
];

/// A line's meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Command<'a> {
    /// A text to send.
    Say(&'a str),
    Help,
    List,
    Open(&'a str),
    Notes,
    More,
    Find(&'a str),
    Search(&'a str),
    /// Answers the last message but so many.
    Reply(usize, &'a str),
    /// Gives the user's last message but so many another text.
    Edit(usize, &'a str),
    /// Reacts to the last message but so many; with nothing, takes that back.
    React(usize, Option<&'a str>),
    Recall,
    Timers(&'a str),
    Mute(bool),
    Pin(bool),
    Add {
        id: &'a str,
        name: &'a str,
    },
    Requests,
    Accept {
        number: usize,
        name: &'a str,
    },
    Drop(usize),
    Status,
    Unlock,
    Quit,
}

impl<'a> Command<'a> {
    /// What `line` means; else what is wrong with it.
    pub(super) fn of(line: &'a str) -> Result<Self, String> {
        let Some(command) = line.strip_prefix('/') else { return Ok(Self::Say(line)) };
        if command.starts_with('/') {
            return Ok(Self::Say(command));
        }
        let (name, rest) = command.split_once(' ').unwrap_or((command, ""));
        let rest = rest.trim();
        let given = |what: &str| match rest.is_empty() {
            true => Err(format!("/{name} needs {what}: /help")),
            false => Ok(rest),
        };
        let number = |text: &str| {
            text.parse::<usize>().map_err(|_| format!("/{name} needs a number of /requests"))
        };
        match name {
            "help" | "?" => Ok(Self::Help),
            "list" => Ok(Self::List),
            "open" => given("a name").map(Self::Open),
            "notes" => Ok(Self::Notes),
            "more" => Ok(Self::More),
            "find" => given("a text").map(Self::Find),
            "search" => given("a word").map(Self::Search),
            "reply" => given("a text").map(counted).map(|(back, text)| Self::Reply(back, text)),
            "edit" => given("a text").map(counted).map(|(back, text)| Self::Edit(back, text)),
            "react" => given("an emoji, or off").map(counted).map(|(back, emoji)| {
                Self::React(back, Some(emoji).filter(|emoji| *emoji != "off"))
            }),
            "recall" => Ok(Self::Recall),
            "timers" => Ok(Self::Timers(rest)),
            "mute" => Ok(Self::Mute(true)),
            "unmute" => Ok(Self::Mute(false)),
            "pin" => Ok(Self::Pin(true)),
            "unpin" => Ok(Self::Pin(false)),
            "add" => match given("an ID and a name")?.split_once(' ') {
                Some((id, name)) => Ok(Self::Add { id, name: name.trim() }),
                None => Err("/add needs a name, too: /add martlet1… carol".to_owned()),
            },
            "requests" => Ok(Self::Requests),
            "accept" => {
                let given = given("a number of /requests and a name")?;
                let (number_text, name) = given.split_once(' ').unwrap_or((given, ""));
                let number = number(number_text)?;
                match name.trim() {
                    "" => Err("/accept needs a name, too: /accept 1 carol".to_owned()),
                    name => Ok(Self::Accept { number, name }),
                }
            }
            "drop" => number(rest).map(Self::Drop),
            "status" => Ok(Self::Status),
            "unlock" => Ok(Self::Unlock),
            "quit" | "exit" => Ok(Self::Quit),
            _ => {
                Err(format!("There is no command /{name}: /help. To send it as it is: //{command}"))
            }
        }
    }
}

/// `2 TEXT`: of the last but one; else of the last. A text that is a number alone is a text.
fn counted(rest: &str) -> (usize, &str) {
    let of_number = rest.split_once(' ').and_then(|(number, text)| {
        let number: usize = number.parse().ok().filter(|number| (1..100).contains(number))?;
        Some((number - 1, text.trim()))
    });
    of_number.unwrap_or((0, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_sent_unless_they_begin_with_a_slash() {
        assert_eq!(Command::of("Hello /you"), Ok(Command::Say("Hello /you")));
        assert_eq!(Command::of("//etc/hosts"), Ok(Command::Say("/etc/hosts")));
        assert_eq!(Command::of("/open Carol B."), Ok(Command::Open("Carol B.")));
        assert_eq!(
            Command::of("/accept 2 Carol B."),
            Ok(Command::Accept { number: 2, name: "Carol B." })
        );
        assert_eq!(Command::of("/drop 1"), Ok(Command::Drop(1)));
        assert_eq!(Command::of("/reply At noon"), Ok(Command::Reply(0, "At noon")));
        assert_eq!(Command::of("/reply 3 At noon"), Ok(Command::Reply(2, "At noon")));
        assert_eq!(Command::of("/edit 12"), Ok(Command::Edit(0, "12")));
        assert_eq!(Command::of("/react 2 👍"), Ok(Command::React(1, Some("👍"))));
        assert_eq!(Command::of("/react off"), Ok(Command::React(0, None)));
        assert_eq!(Command::of("/timers"), Ok(Command::Timers("")));
        assert_eq!(Command::of("/unpin"), Ok(Command::Pin(false)));
        let add = Command::Add { id: "martlet1x", name: "Carol B." };
        assert_eq!(Command::of("/add martlet1x Carol B."), Ok(add));
    }

    #[test]
    fn what_is_no_command_is_not_sent() {
        for bad in [
            "/opne bob",
            "/open",
            "/accept 1",
            "/accept x y",
            "/drop",
            "/drop -1",
            "/",
            "/find  ",
            "/reply",
            "/edit",
            "/react ",
            "/search",
            "/add x",
        ] {
            assert!(Command::of(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn every_command_of_the_help_is_known() {
        for (line, _) in COMMANDS.iter().filter(|(line, _)| line.starts_with('/')) {
            for line in line.replace("NUMBER", "1").split(", ") {
                assert!(!matches!(Command::of(line), Ok(Command::Say(_)) | Err(_)), "{line}");
            }
        }
    }
}
