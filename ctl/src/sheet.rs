//! The sheet: what of an identity is to be kept on paper.

use martlet_protocol::control::InitResponse;
use qrcode::QrCode;

use crate::exit::Failure;
use crate::render::{Output, Page, Paint, qr, word};

/// Words of a phrase in a line.
const WORDS_IN_LINE: usize = 6;

/// Shows it.
pub(crate) fn show(sheet: &InitResponse, output: &Output) -> Result<(), Failure> {
    let code = qr(&sheet.id)?;
    output.show(sheet, |sheet, page| human(sheet, &code, page))
}

fn human(sheet: &InitResponse, code: &QrCode, page: &mut Page) {
    page.line("Your ID, to give to others:");
    page.line("");
    page.qr(code);
    page.line("");
    page.line(format!("  {}", page.paint(Paint::Bold, &word(&sheet.id))));
    page.line("");
    page.line("Your recovery phrase:");
    page.line("");
    words(&sheet.recovery_phrase, page);
    page.line("");
    page.line(
        "Write these words on paper now, in this order, and keep them where only you can get at them: they are your \
         identity. Without them a lost machine or a forgotten passphrase is a lost identity. As long as you have this vault \
         and its passphrase, they can be shown again: martletctl account phrase",
    );
    if sheet.kill_phrase.is_empty() {
        return;
    }
    page.line("");
    page.line("Your kill phrase:");
    page.line("");
    words(&sheet.kill_phrase, page);
    page.line("");
    page.line(
        "With these words and your ID anyone can end your identity for good, on any node of the network. They can do nothing \
         else. Keep them apart from the recovery phrase, and keep your ID with them. To use them:",
    );
    page.line("");
    page.line("  martletctl account terminate --id ID --kill-phrase-file -");
}

fn words(phrase: &str, page: &mut Page) {
    let words: Vec<&str> = phrase.split_whitespace().collect();
    for line in words.chunks(WORDS_IN_LINE) {
        page.line(format!("  {}", page.paint(Paint::Bold, &word(&line.join(" ")))));
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use martlet_protocol::UnixMillis;

    use super::*;
    use crate::render::Clock;

    #[test]
    fn the_phrase_is_shown_six_words_a_line() {
        let words: Vec<String> = (1..=24).map(|number| format!("w{number}")).collect();
        let sheet = InitResponse {
            id: "martlet1x".to_owned(),
            recovery_phrase: words.join(" "),
            kill_phrase: ["k"; 12].join(" "),
        };
        let mut page = Page::new(false, Clock::at(UnixMillis(0)));
        human(&sheet, &qr(&sheet.id).unwrap(), &mut page);
        assert!(page.text().contains("\n  martlet1x\n"));
        assert!(page.text().contains("\n  w1 w2 w3 w4 w5 w6\n  w7 "));
        assert!(page.text().contains(" w24\n\nWrite these words"));
        assert!(page.text().contains("\n  k k k k k k\n  k k k k k k\n"));
        assert!(page.text().contains("keep your ID with them"));
        assert!(
            page.text()
                .ends_with("\n  martletctl account terminate --id ID --kill-phrase-file -\n")
        );
    }
}
