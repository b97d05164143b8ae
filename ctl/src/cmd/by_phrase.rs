//! The recovery phrase, for one act that needs the root.

use std::io::{IsTerminal, stdin};
use std::path::PathBuf;

use martlet_protocol::control::{ErrorCode, Identity};
use martlet_protocol::identity::RootKey;
use martlet_protocol::ids::Id;
use zeroize::Zeroizing;

use super::Context;
use crate::client::ClientError;
use crate::exit::Failure;
use crate::phrase::given;

/// Of a verb that needs the root, on a device that may not have it.
#[derive(Debug, clap::Args)]
pub(crate) struct PhraseArgs {
    /// Use your recovery phrase for this once, on a device that does not have the root: it is asked for
    #[arg(long)]
    phrase: bool,

    /// The same, with the recovery phrase from FILE
    #[arg(long, value_name = "FILE")]
    phrase_file: Option<PathBuf>,
}

impl PhraseArgs {
    /// Whether the phrase is to be used.
    pub(crate) fn is_given(&self) -> bool {
        self.phrase || self.phrase_file.is_some()
    }

    /// The phrase, if it is to be used: that of this node's user.
    pub(crate) async fn read(
        &self,
        context: &Context,
    ) -> Result<Option<Zeroizing<String>>, Failure> {
        if !self.is_given() {
            return Ok(None);
        }
        let phrase = given(self.phrase_file.as_deref(), &context.output).await?;
        // Here, so that it is known before a device is on its way. A daemon that can't tell decides it later.
        let identity = context.client()?.get::<Identity>("/v1/identity").await?;
        let is_other =
            |id: Id| RootKey::from_phrase(&phrase).is_ok_and(|root| root.identity() != id.identity);
        if identity.id.parse().is_ok_and(is_other) {
            return Err(Failure::Failed(OTHER.to_owned()));
        }
        Ok(Some(phrase))
    }

    /// The phrase after this was refused: asked for where the device lacks the root, and there is a terminal.
    ///
    /// # Errors
    /// The refusal, where that is not so.
    pub(crate) async fn after(
        refusal: ClientError,
        context: &Context,
    ) -> Result<Zeroizing<String>, Failure> {
        let lacks_root =
            matches!(&refusal, ClientError::Problem(problem) if problem.code == ErrorCode::NoRoot);
        if !lacks_root || !stdin().is_terminal() {
            return Err(refusal.into());
        }
        context.output.note(
            "This device does not have the root of your identity. With your recovery phrase it can be done, for this once; it is \
             not kept.",
        );
        let args = Self { phrase: true, phrase_file: None };
        args.read(context).await?.ok_or_else(|| refusal.into())
    }
}

const OTHER: &str = "these words are the recovery phrase of another identity; nothing was done";
