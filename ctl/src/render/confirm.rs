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
    /// Asks on the terminal; everything but yes is no.
    ///
    /// # Errors
    /// [`Failure::Usage`] where there is no terminal to ask on, [`Failure::Failed`] if the answer is no.
    pub(crate) fn confirm(&self, question: &Question<'_>) -> Result<(), Failure> {
        if !stdin().is_terminal() {
            let to_do = question.to_do;
            return Err(Failure::Usage(format!(
                "standard input is no terminal to ask on: say --yes to {to_do}"
            )));
        }
        self.prompt(&format!("{} [y/N] ", question.text));
        let mut answer = String::new();
        stdin()
            .read_line(&mut answer)
            .map_err(|error| Failure::Usage(format!("cannot use the terminal: {error}")))?;
        if matches!(answer.trim(), "y" | "Y" | "yes" | "Yes") {
            return Ok(());
        }
        Err(Failure::Failed(question.refused.to_owned()))
    }
}
