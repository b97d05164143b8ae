//! Recovery phrases: typed word by word, or from a file, never from the arguments; and wiped after use.

use std::io::{IsTerminal, Read};
use std::path::Path;

use martlet_protocol::identity::{LAST_WORDS, PHRASE_WORDS, RootKey, phrase_word};
use zeroize::{Zeroize, Zeroizing};

use crate::exit::Failure;
use crate::limits::PHRASE_BYTES_MAX;
use crate::passphrase;
use crate::render::Output;

/// Empty lines after which no word is awaited any more: the terminal is gone.
const EMPTY_LINES_MAX: u32 = 5;

/// The phrase from a file, all of it; `None` asks for it on the terminal, or takes it from standard input.
pub(crate) async fn given(
    file: Option<&Path>,
    output: &Output,
) -> Result<Zeroizing<String>, Failure> {
    let phrase = match file {
        Some(path) => from_file(path, output)?,
        None if std::io::stdin().is_terminal() => ask(output).await?,
        None => from_file(Path::new("/dev/stdin"), output)?,
    };
    // Here, so that a typing mistake costs no passphrase. What is wrong repeats nothing of it.
    RootKey::from_phrase(&phrase).map_err(|error| Failure::Usage(error.to_string()))?;
    Ok(phrase)
}

fn from_file(path: &Path, output: &Output) -> Result<Zeroizing<String>, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::Usage(format!("cannot read the phrase from {}: {error}", path.display()))
    };
    let file = martlet_input::open(path).map_err(unreadable)?;
    passphrase::warn_if_open("recovery phrase file", &file, path, output).map_err(unreadable)?;
    // Never reallocated, which would leave copies.
    let mut bytes = Zeroizing::new(Vec::with_capacity(PHRASE_BYTES_MAX + 1));
    let most = u64::try_from(PHRASE_BYTES_MAX).unwrap_or(u64::MAX);
    file.take(most).read_to_end(&mut bytes).map_err(unreadable)?;
    String::from_utf8(std::mem::take(&mut *bytes)).map(Zeroizing::new).map_err(|error| {
        error.into_bytes().zeroize();
        Failure::Usage(format!("{} is not UTF-8 text", path.display()))
    })
}

/// Asks for the last words of it.
pub(crate) async fn ask_last(output: &Output) -> Result<Zeroizing<String>, Failure> {
    if !std::io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "standard input is not a terminal, so you can't be asked for the last words of your recovery phrase: give them by \
             --last-words-file FILE"
                .to_owned(),
        ));
    }
    output.note(&format!(
        "Type the last {LAST_WORDS} words of your recovery phrase, in their order. They are not shown."
    ));
    ask_words(LAST_WORDS, output).await
}

/// Asks for it.
async fn ask(output: &Output) -> Result<Zeroizing<String>, Failure> {
    output.note(&format!(
        "Type the {PHRASE_WORDS} words of your recovery phrase, one or several in a line. They are not shown."
    ));
    ask_words(PHRASE_WORDS, output).await
}

/// Asks for so many words, one by one or several in a line. A word that is none is told at once.
async fn ask_words(count: usize, output: &Output) -> Result<Zeroizing<String>, Failure> {
    let mut words: Vec<&'static str> = Vec::with_capacity(count);
    let (mut offered, mut empty) = (None, 0);
    while words.len() < count {
        let line = passphrase::ask(&format!("Word {}: ", words.len() + 1), output).await?;
        if line.trim().is_empty() {
            empty += 1;
            words.extend(offered.take());
            if empty >= EMPTY_LINES_MAX {
                return Err(Failure::Usage("no phrase was given".to_owned()));
            }
            continue;
        }
        (offered, empty) = (None, 0);
        for typed in line.split_whitespace() {
            match phrase_word(typed) {
                Ok(word) => words.push(word),
                Err(nearest) => {
                    offered = nearest;
                    let place = words.len() + 1;
                    output.note(&match nearest {
                        Some(word) => format!(
                            "Word {place} is in no recovery phrase. Did you mean \"{word}\"? Enter takes it; else go on from there."
                        ),
                        None => format!("Word {place} is in no recovery phrase. Go on from there."),
                    });
                    break;
                }
            }
        }
    }
    Ok(Zeroizing::new(words.join(" ")))
}
