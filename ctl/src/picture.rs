//! Pictures, of profiles and to be sent: decoded and made anew in a child process, which may use so much memory and time and no files. Whatever
//! a picture does to a decoder, it does there. What comes out is still, and without what cameras write into
//! pictures (the place, say). For a profile it is small and square, too; of one that is sent there is a small one beside it.

use std::env;
use std::ffi::OsString;
use std::io::{Cursor, Read, Write, stderr, stdin, stdout};
use std::path::Path;
use std::process::{ExitCode, Stdio};

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::PngDecoder;
use image::codecs::webp::WebPDecoder;
use image::imageops::{self, FilterType};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, RgbImage};
use martlet_protocol::message::profile::PICTURE_BYTES_MAX;
use rustix::process::{Resource, Rlimit, setrlimit};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Command;

use crate::exit::{Exit, Failure};
use crate::limits::{
    PICTURE_ALLOC_MAX, PICTURE_FILE_BYTES_MAX, PICTURE_MEMORY_MAX, PICTURE_PIXELS_SIDE_MAX,
    PICTURE_PIXELS_SIDE_MIN, PICTURE_SECONDS_MAX, PICTURE_SIDE, THUMBNAIL_BYTES_AIM,
    THUMBNAIL_SIDE,
};

/// By which this program knows that it is the child.
pub(crate) const CHILD: &str = "__picture";
/// The child's argument for a picture that is to be whole.
const WHOLE: &str = "whole";
/// The same for how it looks, small.
const THUMBNAIL: &str = "thumbnail";
/// How good a whole JPEG is made again: nobody sees a difference.
const WHOLE_QUALITY: u8 = 90;
/// How good a JPEG is, and which part of the side it has, best first: the first is taken that is small enough. Noise needs
/// the last ones.
const QUALITIES: [(u8, u32); 6] = [(88, 1), (80, 1), (70, 1), (50, 1), (60, 2), (30, 4)];

/// What is made of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One for a profile.
    Profile,
    /// The same, in the same format, upright.
    Whole,
    /// How it looks: small, all of it.
    Thumbnail,
}

impl Shape {
    /// Most bytes that come out.
    fn bytes_max(self) -> usize {
        match self {
            Self::Profile => PICTURE_BYTES_MAX,
            Self::Whole => usize::try_from(PICTURE_FILE_BYTES_MAX).unwrap_or(usize::MAX),
            Self::Thumbnail => THUMBNAIL_BYTES_AIM,
        }
    }

    /// Fewest pixels that it may have each way.
    fn side_min(self) -> u32 {
        match self {
            Self::Profile => PICTURE_PIXELS_SIDE_MIN,
            Self::Whole | Self::Thumbnail => 1,
        }
    }

    /// How the child is told.
    fn argument(self) -> Option<&'static str> {
        match self {
            Self::Profile => None,
            Self::Whole => Some(WHOLE),
            Self::Thumbnail => Some(THUMBNAIL),
        }
    }
}

/// The picture in a file, as a profile has it. `before` is what this program is called with before a verb.
///
/// # Errors
/// [`Failure::Usage`] says what is wrong with it.
pub(crate) async fn from_file(path: &Path, before: &[OsString]) -> Result<Vec<u8>, Failure> {
    let unreadable = |error| Failure::Usage(format!("{}: {error}", path.display()));
    let file = martlet_input::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    file.take(PICTURE_FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > PICTURE_FILE_BYTES_MAX) {
        let most = PICTURE_FILE_BYTES_MAX >> 20;
        return Err(Failure::Usage(format!(
            "{}: it has more than {most} MiB; make it smaller first",
            path.display()
        )));
    }
    let made = anew(bytes, Shape::Profile, before).await;
    made.map_err(|reason| Failure::Usage(format!("{}: {reason}", path.display())))
}

/// A picture made anew by the child; else what is wrong with it.
pub(crate) async fn anew(
    bytes: Vec<u8>,
    shape: Shape,
    before: &[OsString],
) -> Result<Vec<u8>, String> {
    let failed = |error: std::io::Error| format!("can't be looked at: {error}");
    let mut command = Command::new(env::current_exe().map_err(failed)?);
    command.args(before).arg(CHILD).env_clear();
    command.args(shape.argument());
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(failed)?;
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut input), Some(output), Some(errors)) = (input, output, errors) else {
        return Err("can't be looked at".to_owned());
    };
    // It may stop reading before the end.
    let feeding = tokio::spawn(async move { drop(input.write_all(&bytes).await) });
    let bytes_max = shape.bytes_max();
    let most = u64::try_from(bytes_max).unwrap_or(u64::MAX).saturating_add(1);
    let (mut made, mut said) = (Vec::new(), String::new());
    let work = async {
        let mut output = output.take(most);
        let mut errors = errors.take(1024);
        let read = tokio::join!(output.read_to_end(&mut made), errors.read_to_string(&mut said));
        (read.0, child.wait().await)
    };
    let limit = std::time::Duration::from_secs(PICTURE_SECONDS_MAX);
    let ended = tokio::time::timeout(limit, work).await;
    feeding.abort();
    match ended {
        Err(_) => Err(format!("it takes more than {PICTURE_SECONDS_MAX} s to look at")),
        Ok((Ok(_), Ok(status))) if status.success() && made.len() <= bytes_max => Ok(made),
        Ok((_, Ok(status))) if status.code() == Some(Exit::Usage as i32) => {
            Err(said.trim().to_owned())
        }
        // Killed, most likely for want of memory.
        Ok(_) => Err("looking at it takes more memory or time than a picture may".to_owned()),
    }
}

/// The child: a picture on standard input, what is made of it on standard output, or what is wrong on standard error.
pub(crate) fn child(argument: Option<&OsString>) -> ExitCode {
    let shape = match argument {
        Some(argument) if argument == WHOLE => Shape::Whole,
        Some(argument) if argument == THUMBNAIL => Shape::Thumbnail,
        Some(_) | None => Shape::Profile,
    };
    match confine().and_then(|()| make(shape)) {
        Ok(made) => match stdout().write_all(&made).and_then(|()| stdout().flush()) {
            Ok(()) => Exit::Ok.into(),
            Err(_) => Exit::Refused.into(),
        },
        Err(reason) => {
            let _ = writeln!(stderr(), "{reason}");
            Exit::Usage.into()
        }
    }
}

/// From here on: so much memory and time, no further file, nothing written but to what is open, no core dump.
fn confine() -> Result<(), String> {
    for (resource, most) in [
        (Resource::As, PICTURE_MEMORY_MAX),
        (Resource::Cpu, PICTURE_SECONDS_MAX),
        (Resource::Core, 0),
        (Resource::Nofile, 3),
        (Resource::Fsize, 0),
    ] {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        setrlimit(resource, limit).map_err(|error| format!("can't be confined: {error}"))?;
    }
    Ok(())
}

fn make(shape: Shape) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let read = stdin().lock().take(PICTURE_FILE_BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| error.to_string())?;
    let format = image::guess_format(&bytes).ok();
    let still = match format {
        Some(ImageFormat::Jpeg) => true,
        Some(ImageFormat::Png) => PngDecoder::new(Cursor::new(&bytes))
            .and_then(|decoder| decoder.is_apng())
            .is_ok_and(|moves| !moves),
        Some(ImageFormat::WebP) => {
            WebPDecoder::new(Cursor::new(&bytes)).is_ok_and(|decoder| !decoder.has_animation())
        }
        Some(_) | None => return Err("it is no PNG, JPEG or WebP".to_owned()),
    };
    let picture = decode(&bytes, shape.side_min());
    if picture.is_ok() && !still {
        return Err("it moves; give a picture that stands still".to_owned());
    }
    let picture = picture?;
    match shape {
        Shape::Whole => same(picture, format),
        Shape::Profile => within(&fit(picture), shape.bytes_max()),
        Shape::Thumbnail => {
            let side = THUMBNAIL_SIDE.min(picture.width().max(picture.height()));
            within(&on_white(&picture.resize(side, side, FilterType::Triangle)), shape.bytes_max())
        }
    }
}

/// A JPEG of at most so many bytes.
fn within(picture: &RgbImage, bytes_max: usize) -> Result<Vec<u8>, String> {
    QUALITIES
        .iter()
        .find_map(|(quality, part)| {
            let side = |pixels: u32| (pixels / part).max(1);
            let (width, height) = (side(picture.width()), side(picture.height()));
            let smaller = imageops::resize(picture, width, height, FilterType::Triangle);
            let mut made = Vec::new();
            let encoder = JpegEncoder::new_with_quality(&mut made, *quality);
            let encoded = smaller.write_with_encoder(encoder).is_ok() && made.len() <= bytes_max;
            encoded.then_some(made)
        })
        .ok_or_else(|| "it can't be made small enough".to_owned())
}

/// The picture in its format again: its pixels, and nothing else.
fn same(picture: DynamicImage, format: Option<ImageFormat>) -> Result<Vec<u8>, String> {
    let mut made = Vec::new();
    let written = match format {
        Some(ImageFormat::Jpeg) => {
            let encoder = JpegEncoder::new_with_quality(&mut made, WHOLE_QUALITY);
            picture.into_rgb8().write_with_encoder(encoder)
        }
        Some(ImageFormat::WebP) => {
            picture.into_rgba8().write_to(&mut Cursor::new(&mut made), ImageFormat::WebP)
        }
        Some(_) | None => picture.write_to(&mut Cursor::new(&mut made), ImageFormat::Png),
    };
    written.map(|()| made).map_err(|error| format!("it can't be made anew: {error}"))
}

/// The picture, upright.
fn decode(bytes: &[u8], side_min: u32) -> Result<DynamicImage, String> {
    let wrong = |error: image::ImageError| match error {
        image::ImageError::Limits(_) => too_large(),
        other => format!("it is damaged, or no picture: {other}"),
    };
    let reader = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let mut reader = reader.map_err(|error| error.to_string())?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(PICTURE_PIXELS_SIDE_MAX);
    limits.max_image_height = Some(PICTURE_PIXELS_SIDE_MAX);
    limits.max_alloc = Some(PICTURE_ALLOC_MAX);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(wrong)?;
    let (width, height) = decoder.dimensions();
    if width.min(height) < side_min {
        return Err(format!(
            "it has {width} × {height} pixels; at least {side_min} each way are needed"
        ));
    }
    // Before a byte of it is unpacked.
    if width.max(height) > PICTURE_PIXELS_SIDE_MAX || decoder.total_bytes() > PICTURE_ALLOC_MAX {
        return Err(too_large());
    }
    let upright = decoder.orientation();
    let mut picture = DynamicImage::from_decoder(decoder).map_err(wrong)?;
    if let Ok(upright) = upright {
        picture.apply_orientation(upright);
    }
    Ok(picture)
}

fn too_large() -> String {
    format!(
        "it is too large: at most {PICTURE_PIXELS_SIDE_MAX} pixels each way, and {} MiB unpacked",
        PICTURE_ALLOC_MAX >> 20
    )
}

/// The middle of it, as large as a profile's picture is, on white.
fn fit(picture: DynamicImage) -> RgbImage {
    let side = PICTURE_SIDE.min(picture.width()).min(picture.height());
    on_white(&picture.resize_to_fill(side, side, FilterType::Triangle))
}

/// What can be seen through is white: JPEG has nothing else.
fn on_white(picture: &DynamicImage) -> RgbImage {
    let small = picture.to_rgba8();
    RgbImage::from_fn(small.width(), small.height(), |x, y| {
        let image::Rgba([r, g, b, alpha]) = *small.get_pixel(x, y);
        let on_white = |value: u8| {
            let (value, alpha) = (u16::from(value), u16::from(alpha));
            u8::try_from((value * alpha + 255 * (255 - alpha)) / 255).unwrap_or(u8::MAX)
        };
        image::Rgb([on_white(r), on_white(g), on_white(b)])
    })
}
