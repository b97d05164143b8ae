//! A file that is to be sent, if it is one that stays as it is meanwhile. A small one is read whole, a large one as it goes. A picture is
//! made anew, without what a camera wrote into it.

use std::ffi::OsString;
use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use martlet_protocol::limits::{FILE_BYTES_MAX, FILE_INLINE_BYTES_MAX};
use rustix::fs::OFlags;

use crate::exit::Failure;
use crate::limits::PICTURE_FILE_BYTES_MAX;
use crate::picture::{self, Shape};
use crate::render;

/// Bytes at the beginning of a file that tell a picture.
const HEAD_BYTES: usize = 16;
/// What to do where a picture can't be made anew.
const AS_IT_IS: &str =
    "--original sends it as it is, with whatever a camera wrote into it, such as the place";

/// A file that can be sent.
pub(crate) struct Outgoing {
    pub(crate) name: String,
    pub(crate) media_type: &'static str,
    pub(crate) bytes: OutgoingBytes,
    /// How it looks, small, if it is a photo that goes beside its message.
    pub(crate) thumbnail: Option<Vec<u8>>,
}

/// The bytes of a file.
pub(crate) enum OutgoingBytes {
    /// All of them.
    Read(Vec<u8>),
    /// Those of a file that is larger than a message holds.
    Large(LargeFile),
}

/// A file that is read while it is sent.
pub(crate) struct LargeFile {
    file: File,
    there: Metadata,
}

impl LargeFile {
    /// Its size, bytes.
    pub(crate) fn size(&self) -> u64 {
        self.there.len()
    }

    /// The next bytes, at most so many. The last come only if the file did not change meanwhile.
    ///
    /// # Errors
    /// What the system says, or that it changed.
    pub(crate) fn read(&mut self, left: u64, max: usize) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let max = u64::try_from(max).unwrap_or(u64::MAX).min(left);
        (&mut self.file).take(max).read_to_end(&mut bytes)?;
        let is_last = bytes.len() as u64 == left;
        let ended_early = (bytes.len() as u64) < max;
        let changed = || -> io::Result<bool> { Ok(!is_same(&self.there, &self.file.metadata()?)) };
        match ended_early || is_last && changed()? {
            true => Err(io::Error::new(io::ErrorKind::InvalidData, CHANGED)),
            false => Ok(bytes),
        }
    }
}

/// What is said of a file that another program writes.
const CHANGED: &str = "it changed while it was read; try again";

/// What the beginning of a file says that it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looks {
    /// A picture that can be made anew: its media type.
    Picture(&'static str),
    /// One that can't.
    OtherPicture(&'static str),
    /// None.
    NoPicture,
}

/// Reads the file at `path`; `before` is what this program is called with before a verb.
///
/// # Errors
/// [`Failure::Usage`] says what is wrong with it.
pub(crate) async fn read(
    path: &Path,
    is_original: bool,
    before: &[OsString],
) -> Result<Outgoing, Failure> {
    let wrong = |reason: String| Failure::Usage(format!("{}: {reason}", path.display()));
    let (bytes, looks) = whole(path, is_original).map_err(wrong)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut thumbnail = None;
    let (bytes, media_type) = match looks {
        Looks::Picture(kind) if !is_original => {
            let OutgoingBytes::Read(bytes) = bytes else { return Err(wrong(AS_IT_IS.to_owned())) };
            let made = picture::anew(bytes, Shape::Whole, before).await;
            let made = made.map_err(|reason| wrong(format!("{reason}. {AS_IT_IS}")))?;
            if made.len() > FILE_INLINE_BYTES_MAX {
                // Of what was made: what was left out there is left out here. Without one it is sent all the same.
                thumbnail = picture::anew(made.clone(), Shape::Thumbnail, before).await.ok();
            }
            (OutgoingBytes::Read(made), kind)
        }
        Looks::OtherPicture(_) if !is_original => {
            return Err(wrong(format!(
                "pictures of this kind can't be made anew without what a camera wrote into them. {AS_IT_IS}"
            )));
        }
        Looks::Picture(kind) | Looks::OtherPicture(kind) => (bytes, kind),
        Looks::NoPicture => (bytes, by_extension(path)),
    };
    Ok(Outgoing { name, media_type, bytes, thumbnail })
}

/// A file, and what it looks like; else what is wrong.
fn whole(path: &Path, is_original: bool) -> Result<(OutgoingBytes, Looks), String> {
    let said = |error: std::io::Error| error.to_string();
    // Before it is opened: to open a device may do something.
    is_file(fs::metadata(path).map_err(said)?.file_type())?;
    // A FIFO that takes its place meanwhile would wait for its writer.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or(0);
    let mut file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(said)?;
    let there = file.metadata().map_err(said)?;
    is_file(there.file_type())?;
    let size = there.len();
    let mut bytes = Vec::new();
    read_up_to(&mut file, HEAD_BYTES, &mut bytes)?;
    let looks = looks(&bytes);
    match looks {
        Looks::Picture(_) if !is_original => {
            if size > PICTURE_FILE_BYTES_MAX {
                let most = render::bytes(PICTURE_FILE_BYTES_MAX);
                return Err(format!("it has {}, over {most}. {AS_IT_IS}", render::bytes(size)));
            }
        }
        Looks::Picture(_) | Looks::OtherPicture(_) | Looks::NoPicture => {
            fits(size)?;
            if size > FILE_INLINE_BYTES_MAX as u64 {
                file.rewind().map_err(said)?;
                return Ok((OutgoingBytes::Large(LargeFile { file, there }), looks));
            }
        }
    }
    let rest = usize::try_from(size).unwrap_or(usize::MAX).saturating_sub(bytes.len());
    // One more, to see whether it has grown.
    read_up_to(&mut file, rest.saturating_add(1), &mut bytes)?;
    let after = file.metadata().map_err(said)?;
    match bytes.len() as u64 == size && is_same(&there, &after) {
        true => Ok((OutgoingBytes::Read(bytes), looks)),
        false => Err(CHANGED.to_owned()),
    }
}

fn read_up_to(file: &mut File, max: usize, bytes: &mut Vec<u8>) -> Result<(), String> {
    let max = u64::try_from(max).unwrap_or(u64::MAX);
    file.take(max).read_to_end(bytes).map(drop).map_err(|error| error.to_string())
}

/// Whether so many bytes can be sent.
fn fits(size: u64) -> Result<(), String> {
    match size > FILE_BYTES_MAX {
        true => Err(format!(
            "it has {}: files of at most {} can be sent",
            render::bytes(size),
            render::bytes(FILE_BYTES_MAX)
        )),
        false => Ok(()),
    }
}

fn is_file(kind: FileType) -> Result<(), String> {
    let what = if kind.is_file() {
        return Ok(());
    } else if kind.is_dir() {
        "it is a directory; pack it first, into an archive"
    } else if kind.is_fifo() {
        "it is a pipe, which has no end; write what comes from it into a file first"
    } else if kind.is_socket() {
        "it is a socket"
    } else {
        "it is a device"
    };
    Err(what.to_owned())
}

fn is_same(one: &Metadata, other: &Metadata) -> bool {
    one.len() == other.len() && one.modified().ok() == other.modified().ok()
}

fn looks(head: &[u8]) -> Looks {
    let brand = head.get(4..8).filter(|kind| *kind == b"ftyp").and_then(|_| head.get(8..12));
    match head {
        [0xff, 0xd8, 0xff, ..] => Looks::Picture("image/jpeg"),
        [0x89, b'P', b'N', b'G', ..] => Looks::Picture("image/png"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => {
            Looks::Picture("image/webp")
        }
        [b'G', b'I', b'F', b'8', ..] => Looks::OtherPicture("image/gif"),
        [b'I', b'I', b'*', 0, ..] | [b'M', b'M', 0, b'*', ..] => Looks::OtherPicture("image/tiff"),
        _ => match brand {
            Some(b"heic" | b"heix" | b"heim" | b"heis" | b"hevc" | b"mif1" | b"msf1") => {
                Looks::OtherPicture("image/heic")
            }
            Some(b"avif" | b"avis") => Looks::OtherPicture("image/avif"),
            Some(_) | None => Looks::NoPicture,
        },
    }
}

/// What a file is, by the end of its name: of kinds that people send.
fn by_extension(path: &Path) -> &'static str {
    let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
    match extension.as_str() {
        "txt" | "log" => "text/plain",
        "md" => "text/markdown",
        "csv" => "text/csv",
        "html" | "htm" => "text/html",
        "ics" => "text/calendar",
        "vcf" => "text/vcard",
        "svg" => "image/svg+xml",
        "pdf" => "application/pdf",
        "json" => "application/json",
        "xml" => "application/xml",
        "zip" => "application/zip",
        "gz" | "tgz" => "application/gzip",
        "tar" => "application/x-tar",
        "gpx" => "application/gpx+xml",
        "epub" => "application/epub+zip",
        "odt" => "application/vnd.oasis.opendocument.text",
        "ods" => "application/vnd.oasis.opendocument.spreadsheet",
        "docx" => "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
        "xlsx" => "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
        "ogg" | "oga" | "opus" => "audio/ogg",
        "mp3" => "audio/mpeg",
        "m4a" => "audio/mp4",
        "wav" => "audio/wav",
        "flac" => "audio/flac",
        "mp4" => "video/mp4",
        "webm" => "video/webm",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixListener;

    use rustix::fs::{CWD, FileType as Kind, Mode, mknodat};

    use super::*;

    fn refused(path: &Path) -> String {
        match whole(path, false) {
            Ok(_) => panic!("it is taken"),
            Err(why) => why,
        }
    }

    /// All of a file, as it goes.
    fn sent(path: &Path, meanwhile: impl FnOnce()) -> io::Result<Vec<u8>> {
        let mut large = match whole(path, false).unwrap().0 {
            OutgoingBytes::Read(bytes) => return Ok(bytes),
            OutgoingBytes::Large(large) => large,
        };
        let (mut bytes, size) = (Vec::new(), large.size());
        bytes.append(&mut large.read(size, 10_000)?);
        meanwhile();
        while (bytes.len() as u64) < size {
            bytes.append(&mut large.read(size - bytes.len() as u64, 10_000)?);
        }
        Ok(bytes)
    }

    #[test]
    fn a_large_file_is_read_as_it_goes_and_its_end_only_if_it_stayed_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("large");
        let large: Vec<u8> = (0..FILE_INLINE_BYTES_MAX + 1).map(|n| n.to_le_bytes()[0]).collect();
        fs::write(&path, &large).unwrap();
        assert_eq!(sent(&path, || {}).unwrap(), large);
        let cut = || OpenOptions::new().write(true).open(&path).unwrap().set_len(15_000).unwrap();
        assert!(sent(&path, cut).unwrap_err().to_string().contains("changed"));
        fs::write(&path, &large).unwrap();
        let grow = || fs::write(&path, [&large[..], b"more"].concat()).unwrap();
        assert!(sent(&path, grow).unwrap_err().to_string().contains("changed"));
    }

    #[test]
    fn what_is_no_file_of_bounded_size_is_not_read() {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        assert!(refused(directory.path()).contains("directory"));
        mknodat(CWD, at("pipe"), Kind::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        assert!(refused(&at("pipe")).contains("pipe"));
        symlink(at("pipe"), at("link")).unwrap();
        assert!(refused(&at("link")).contains("pipe"));
        let _socket = UnixListener::bind(at("socket")).unwrap();
        assert!(refused(&at("socket")).contains("socket"));
        assert!(refused(Path::new("/dev/zero")).contains("device"));
        assert!(refused(&at("none")).contains("No such file"));
        File::create(at("large")).unwrap().set_len(FILE_BYTES_MAX + 1).unwrap();
        assert!(refused(&at("large")).contains("5 GiB"));
        // It says that it is empty, and is not.
        assert!(refused(Path::new("/proc/self/status")).contains("changed"));
        for size in [0, 5, FILE_INLINE_BYTES_MAX] {
            fs::write(at("file"), vec![7; size]).unwrap();
            assert_eq!(sent(&at("file"), || {}).unwrap(), vec![7; size]);
        }
    }

    #[test]
    fn pictures_are_known_by_their_beginning() {
        assert_eq!(looks(&[0xff, 0xd8, 0xff, 0xe1]), Looks::Picture("image/jpeg"));
        assert_eq!(looks(b"\x89PNG\r\n\x1a\n"), Looks::Picture("image/png"));
        assert_eq!(looks(b"RIFF....WEBPVP8 "), Looks::Picture("image/webp"));
        assert_eq!(looks(b"\0\0\0\x18ftypheic"), Looks::OtherPicture("image/heic"));
        assert_eq!(looks(b"\0\0\0\x18ftypisom"), Looks::NoPicture);
        assert_eq!(looks(b"II*\0"), Looks::OtherPicture("image/tiff"));
        assert_eq!(looks(b"GIF89a"), Looks::OtherPicture("image/gif"));
        assert_eq!(looks(b"II"), Looks::NoPicture);
        assert_eq!(by_extension(Path::new("a/Minutes.PDF")), "application/pdf");
        assert_eq!(by_extension(Path::new("Makefile")), "application/octet-stream");
    }
}
