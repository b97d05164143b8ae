//! The directory of an export: written beside its place under another name, and put there once it is whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use martlet_protocol::control::{ExportLine, ExportSchema};
use martlet_protocol::file::{FileName, Thumbnail};

use super::export::Sink;
use crate::exit::Failure;

/// What an export in the making is called, after the name of its place.
const UNFINISHED: &str = ".martlet-export";
/// Files that every export has beside those of conversations: README.txt, schema.json, account.jsonl.
const README: &str = include_str!("export-readme.txt");

/// An export that is being written. Dropped before it is finished, it is removed.
pub(super) struct ExportDirectory {
    /// Where it will be.
    place: PathBuf,
    /// Where it is.
    unfinished: PathBuf,
    /// Held as long as it is being written, so that nobody takes it for what a crash left.
    _lock: File,
    account: BufWriter<File>,
    conversation: Option<Conversation>,
    files: u64,
    contacts: u64,
    rooms: u64,
    /// Files that were sent with messages.
    sent: u64,
}

/// The file that messages go to.
struct Conversation {
    name: String,
    file: BufWriter<File>,
}

impl ExportDirectory {
    /// Begins an export into `to`, which must be an empty directory or not there.
    pub(super) fn begin(to: &Path) -> Result<Self, Failure> {
        let place = free_place(to)?;
        let mut name = std::ffi::OsString::from(".");
        name.push(place.file_name().unwrap_or_default());
        name.push(UNFINISHED);
        let unfinished = place.with_file_name(name);
        let lock = make(&unfinished)?;
        let account = create(&unfinished.join("account.jsonl"));
        let directory = || -> Result<(), Failure> {
            write(&unfinished.join("README.txt"), README.as_bytes())?;
            let mut schema = serde_json::to_vec_pretty(&ExportSchema::of_this_build())
                .map_err(|error| Failure::Failed(format!("the schema is no JSON: {error}")))?;
            schema.push(b'\n');
            write(&unfinished.join("schema.json"), &schema)?;
            let conversations = unfinished.join("conversations");
            let made = DirBuilder::new().mode(0o700).create(&conversations);
            made.map_err(|error| failed(&conversations, &error))
        };
        match (account, directory()) {
            (Ok(account), Ok(())) => {
                let conversation = None;
                Ok(Self {
                    place,
                    unfinished,
                    _lock: lock,
                    account,
                    conversation,
                    files: 3,
                    contacts: 0,
                    rooms: 0,
                    sent: 0,
                })
            }
            (Err(error), _) | (_, Err(error)) => {
                let _ = fs::remove_dir_all(&unfinished);
                Err(error)
            }
        }
    }

    /// Puts it in its place, whole and on disk: where, and how many files.
    pub(super) fn finish(mut self) -> Result<(PathBuf, u64), Failure> {
        self.close_conversation()?;
        sync(&mut self.account, &self.unfinished.join("account.jsonl"))?;
        for directory in
            ["conversations", "pictures", "files", ""].map(|name| self.unfinished.join(name))
        {
            if directory.exists() {
                sync_directory(&directory)?;
            }
        }
        // It takes the place of an empty directory, and of nothing else.
        fs::rename(&self.unfinished, &self.place).map_err(|error| failed(&self.place, &error))?;
        if let Some(parent) = self.place.parent() {
            sync_directory(parent)?;
        }
        Ok((self.place.clone(), self.files))
    }

    /// Writes a picture, or what someone sent, into a file of its own.
    fn own_file(&mut self, within: &str, name: &str, hex: &str) -> Result<(), Failure> {
        let directory = self.unfinished.join(within);
        if !directory.exists() {
            let made = DirBuilder::new().mode(0o700).create(&directory);
            made.map_err(|error| failed(&directory, &error))?;
        }
        let bytes: Option<Vec<u8>> = hex
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
            .collect();
        let bytes = bytes.ok_or_else(|| Failure::Failed(format!("{within}: not hexadecimal")))?;
        write(&directory.join(name), &bytes)?;
        self.files += 1;
        Ok(())
    }

    fn close_conversation(&mut self) -> Result<(), Failure> {
        match self.conversation.take() {
            Some(Conversation { name, mut file }) => {
                sync(&mut file, &self.unfinished.join("conversations").join(name))
            }
            None => Ok(()),
        }
    }

    /// The file for the messages that `line` begins: of a contact, of a room, or the notes.
    fn open_conversation(&mut self, name: &str) -> Result<(), Failure> {
        self.close_conversation()?;
        let name = format!("{name}.jsonl");
        let file = create(&self.unfinished.join("conversations").join(&name))?;
        self.files += 1;
        self.conversation = Some(Conversation { name, file });
        Ok(())
    }
}

impl Sink for ExportDirectory {
    fn take(&mut self, line: &ExportLine, text: &str) -> Result<(), Failure> {
        match line {
            ExportLine::Contact { contact, .. } => {
                let name = {
                    self.contacts += 1;
                    format!("{:04}-{}", self.contacts, file_name(&contact.name))
                };
                self.open_conversation(&name)?;
                write_line(&mut self.account, text)
            }
            ExportLine::Room { room, .. } => {
                self.rooms += 1;
                let name = format!("room-{:04}-{}", self.rooms, file_name(&room.name));
                self.open_conversation(&name)?;
                write_line(&mut self.account, text)
            }
            ExportLine::Message { message } => {
                let is_note = message.direction == martlet_protocol::control::Direction::Note;
                let has_file =
                    self.conversation.as_ref().is_some_and(|it| it.name == "notes.jsonl");
                if is_note && !has_file {
                    self.open_conversation("notes")?;
                }
                match &mut self.conversation {
                    Some(Conversation { file, .. }) => write_line(file, text),
                    None => write_line(&mut self.account, text),
                }
            }
            ExportLine::Picture { contact, jpeg } => {
                let name = match (contact, &self.conversation) {
                    (Some(_), Some(conversation)) => conversation.name.replace(".jsonl", ".jpg"),
                    (Some(_), None) | (None, _) => "own.jpg".to_owned(),
                };
                self.own_file("pictures", &name, jpeg)
            }
            ExportLine::File { message, name, bytes } => {
                let name = FileName::harmless(name);
                let (stem, extension) = (file_name(name.split().0), extension_of(name.split().1));
                self.sent += 1;
                // The number tells apart messages of the same id: whoever writes one chooses its id.
                let name = format!("{:04}-{message}-{stem}{extension}", self.sent);
                self.own_file("files", FileName::harmless(&name).as_str(), bytes)
            }
            ExportLine::Thumbnail { message, name, bytes } => {
                let Ok(thumbnail) = Thumbnail::from_hex(bytes) else { return Ok(()) };
                let stem = file_name(FileName::harmless(name).split().0);
                self.sent += 1;
                let extension = thumbnail.extension();
                let name = format!("{:04}-{message}-{stem}.{extension}", self.sent);
                self.own_file("thumbnails", FileName::harmless(&name).as_str(), bytes)
            }
            ExportLine::Lost { .. } => match &mut self.conversation {
                Some(Conversation { file, .. }) => write_line(file, text),
                None => write_line(&mut self.account, text),
            },
            ExportLine::Export { .. }
            | ExportLine::Account { .. }
            | ExportLine::Blocked { .. }
            | ExportLine::Request { .. }
            | ExportLine::RequestMessage { .. }
            | ExportLine::RoomOperation { .. }
            | ExportLine::End { .. } => write_line(&mut self.account, text),
        }
    }
}

impl Drop for ExportDirectory {
    fn drop(&mut self) {
        // It is not there any more where it was finished.
        let _ = fs::remove_dir_all(&self.unfinished);
    }
}

/// Where the export will be: an absolute path, without links, where nothing is but perhaps an empty directory.
fn free_place(to: &Path) -> Result<PathBuf, Failure> {
    let unusable = |error: io::Error| Failure::Usage(format!("{}: {error}", to.display()));
    match fs::read_dir(to) {
        Ok(mut entries) => match entries.next() {
            Some(_) => Err(Failure::Usage(format!(
                "{} is not empty, and was left as it is; name another directory",
                to.display()
            ))),
            None => fs::canonicalize(to).map_err(unusable),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let place = std::path::absolute(to).map_err(unusable)?;
            if place.file_name().is_none() {
                return Err(Failure::Usage(format!("{} can't be made", to.display())));
            }
            let parent = place.parent().unwrap_or(Path::new("/"));
            let made = DirBuilder::new().recursive(true).mode(0o700).create(parent);
            made.map_err(|error| failed(parent, &error))?;
            Ok(place)
        }
        Err(error) => Err(unusable(error)),
    }
}

/// Makes the directory to write in, in the place of what an export left there that was cut short. It stays locked as long
/// as what is returned.
fn make(unfinished: &Path) -> Result<File, Failure> {
    if let Ok(left) = File::open(unfinished) {
        if left.try_lock().is_err() {
            return Err(Failure::Usage(format!(
                "another export is being written there: {}",
                unfinished.display()
            )));
        }
        fs::remove_dir_all(unfinished).map_err(|error| failed(unfinished, &error))?;
    }
    let made = DirBuilder::new().mode(0o700).create(unfinished);
    let locked = made.and_then(|()| File::open(unfinished)).and_then(|directory| {
        directory.try_lock().map_err(io::Error::from)?;
        Ok(directory)
    });
    locked.map_err(|error| failed(unfinished, &error))
}

/// A name of a contact as a part of a file's: letters, digits and a few more, so that no system and no shell takes it for
/// something else. A number before it tells apart what is the same then.
fn file_name(name: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '_') { c } else { '_' };
    name.chars().map(safe).collect()
}

/// An extension that no shell takes for something else; others are left out.
fn extension_of(extension: &str) -> &str {
    let is_plain = extension.bytes().skip(1).all(|byte| byte.is_ascii_alphanumeric());
    if is_plain { extension } else { "" }
}

fn create(path: &Path) -> Result<BufWriter<File>, Failure> {
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    created.map(BufWriter::new).map_err(|error| failed(path, &error))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut file = create(path)?;
    file.write_all(bytes).map_err(|error| failed(path, &error))?;
    sync(&mut file, path)
}

fn write_line(file: &mut BufWriter<File>, text: &str) -> Result<(), Failure> {
    let written = file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n"));
    written.map_err(|error| Failure::Failed(format!("the export can't be written: {error}")))
}

fn sync(file: &mut BufWriter<File>, path: &Path) -> Result<(), Failure> {
    let synced = file.flush().and_then(|()| file.get_ref().sync_all());
    synced.map_err(|error| failed(path, &error))
}

fn sync_directory(path: &Path) -> Result<(), Failure> {
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    synced.map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn names_of_files_are_letters_digits_and_a_few_more() {
        assert_eq!(file_name("Zoë & co."), "Zoë___co_");
        assert_eq!(file_name("-rf ~"), "-rf__");
        assert_eq!(file_name("..\u{202e}"), "___");
    }

    fn sent(message: &str, name: &str) -> ExportLine {
        let (message, name) = (message.to_owned(), name.to_owned());
        ExportLine::File { message, name, bytes: "6869".to_owned() }
    }

    /// A file whose name was long, or whose message had the id of another, ended the export, and nothing was written.
    #[test]
    fn no_files_name_and_no_messages_id_ends_an_export() {
        let home = tempfile::tempdir().unwrap();
        let mut directory = ExportDirectory::begin(&home.path().join("export")).unwrap();
        let id = "0123456789abcdef0123456789abcdef";
        let longest = format!("{}.jpeg", "n".repeat(250));
        for name in [longest.as_str(), &longest, &"ß".repeat(127), "../x.tar.gz", "a.sh;rm"] {
            directory.take(&sent(id, name), "").unwrap();
        }
        let (place, files) = directory.finish().unwrap();
        assert_eq!(files, 3 + 5);
        let entries = fs::read_dir(place.join("files")).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        let cut = format!("{id}-{}.jpeg", "n".repeat(255 - 38 - 5));
        assert_eq!(names[0], format!("0001-{cut}"));
        assert_eq!(names[1], format!("0002-{cut}"));
        assert_eq!(names[2], format!("0003-{id}-{}", "ß".repeat(108)));
        assert_eq!(names[3], format!("0004-{id}-___x_tar.gz"));
        assert_eq!(names[4], format!("0005-{id}-a"));
        assert_eq!(fs::read(place.join("files").join(&names[0])).unwrap(), b"hi");
    }
}
