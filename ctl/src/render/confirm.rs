//! Questions before what can't be undone.

use std::io::{IsTerminal, stdin};

use super::Output;
use crate::exit::Failure;

/// What is asked before something is done.
#[derive(Debug)]
pub(crate) struct Question<'a> {
    /// The question, without what may be answered.
    pub(crate) text: &'a str,
    /// What is so if the answer is no.
    pub(crate) refused: &'a str,
    /// What `--yes` does without asking.
    pub(crate) to_do: &'a str,
}

impl Output {
    /// Asks on the terminal to type `words`; everything else is no. `option` is what to give where there is no terminal.
    ///
    /// # Errors
    /// As [`Self::confirm`].
    pub(crate) fn confirm_words(
        &self,
        words: &str,
        option: &str,
        refused: &str,
    ) -> Result<(), Failure> {
        if !stdin().is_terminal() {
            return Err(Failure::Usage(format!(
                "standard input is not a terminal, so you can't be asked: give {option} to do it"
            )));
        }
        self.prompt(&format!("Type \"{words}\" to go on: "));
        if answer()?.trim() == words {
            return Ok(());
        }
        Err(Failure::Failed(refused.to_owned()))
    }

    /// Asks on the terminal; everything but yes is no.
    ///
    /// # Errors
    /// [`Failure::Usage`] where there is no terminal to ask on, [`Failure::Failed`] if the answer is no.
    pub(crate) fn confirm(&self, question: &Question<'_>) -> Result<(), Failure> {
        if !stdin().is_terminal() {
            let to_do = question.to_do;
            return Err(Failure::Usage(format!(
                "standard input is not a terminal, so you can't be asked: give --yes to {to_do}"
            )));
        }
        self.prompt(&format!("{} [y/N] ", question.text));
        if matches!(answer()?.trim(), "y" | "Y" | "yes" | "Yes") {
            return Ok(());
        }
        Err(Failure::Failed(question.refused.to_owned()))
    }
}

fn answer() -> Result<String, Failure> {
    let mut answer = String::new();
    let read = stdin().read_line(&mut answer);
    read.map_err(|error| Failure::Usage(format!("cannot use the terminal: {error}")))?;
    Ok(answer)
}
