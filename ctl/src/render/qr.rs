//! QR codes on a terminal.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};

use super::{Page, Paint};
use crate::exit::Failure;

/// Widest code that, with four modules left white on each side, fits 80 columns: modules of version 13.
const WIDTH_MAX: usize = 69;

/// The QR code of a bech32 text. Upper case: QR codes hold that in fewer modules, and bech32 allows
/// it (BIP 173).
pub(crate) fn qr(text: &str) -> Result<QrCode, Failure> {
    let text = text.to_ascii_uppercase();
    let code = QrCode::new(&text);
    // A terminal has 80 columns, and nothing on it gets torn: what is long is drawn with less correction.
    let is_wide = code.as_ref().map_or(true, |code| code.width() > WIDTH_MAX);
    let low = || QrCode::with_error_correction_level(&text, EcLevel::L);
    (if is_wide { low() } else { code })
        .map_err(|error| Failure::Failed(format!("the text fits no QR code: {error}")))
}

impl Page {
    /// Adds a QR code.
    pub(crate) fn qr(&mut self, code: &QrCode) {
        // The dark modules are drawn, black on white as printed, where there are colours; else the
        // light ones, as most terminals are dark.
        let (dark, light) = match self.has_colours() {
            true => (Dense1x2::Dark, Dense1x2::Light),
            false => (Dense1x2::Light, Dense1x2::Dark),
        };
        let image = code.render::<Dense1x2>().dark_color(dark).light_color(light).build();
        for line in image.lines() {
            self.raw_line(&self.paint(Paint::Paper, line));
        }
    }
}
