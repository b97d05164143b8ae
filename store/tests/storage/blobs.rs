//! Blobs on disk: made, fetched in pieces and through crashes, served, opened, damaged and removed.

use std::fs::{self, OpenOptions};
use std::io::Read;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};

use martlet_protocol::BlobId;
use martlet_protocol::file::FileKey;
use martlet_protocol::file::ask::Groups;
use martlet_protocol::file::blob::{self, GROUP_BYTES};
use martlet_protocol::file::sealed::{Layout, SealedError};
use martlet_store::blobs::{BlobDir, BlobDirError, BlobName, IsOver, Partial, Whole};

const NAME: BlobName = BlobName([1; 16]);
const OTHER: BlobName = BlobName([2; 16]);
const GOES_ON: IsOver<'static> = &|| false;

/// A directory with a blob of a file in it.
struct Made {
    place: tempfile::TempDir,
    blobs: BlobDir,
    file: Vec<u8>,
    layout: Layout,
    id: BlobId,
}

fn key() -> FileKey {
    FileKey::from_bytes([7; 32])
}

fn bytes(count: usize) -> Vec<u8> {
    let mut bytes = vec![0; count];
    blake3::Hasher::new().update(b"a file").finalize_xof().fill(&mut bytes);
    bytes
}

impl Made {
    fn of(count: usize) -> Self {
        let place = tempfile::tempdir().unwrap();
        let blobs = BlobDir::open(place.path().join("blobs"), 0, |_| Ok(1 << 40)).unwrap();
        let file = bytes(count);
        let layout = Layout::of(count as u64).unwrap();
        let id = blobs.import(&NAME, (&key(), &layout), &file[..], GOES_ON).unwrap();
        Self { place, blobs, file, layout, id }
    }

    fn size(&self) -> u64 {
        self.layout.sealed_size()
    }

    fn whole(&self, name: &BlobName) -> Whole {
        self.blobs.whole(name, &self.id, self.size()).unwrap()
    }

    fn partial(&self) -> Partial {
        self.blobs.partial(&OTHER, &self.id, self.size(), GOES_ON).unwrap()
    }

    /// Has the other blob take groups of this one.
    fn fetch(&self, partial: &mut Partial, first: u32, count: u32) {
        let wanted = Groups::new([(first, count)]).unwrap();
        let mut sent = Vec::new();
        self.whole(&NAME).send(&wanted, &mut sent).unwrap();
        let keep = |proved| partial.keep(&proved);
        blob::receive(&self.id, self.size(), &wanted, &sent[..], keep).unwrap();
    }

    fn opened(&self, name: &BlobName, from: u64, to: u64) -> Vec<u8> {
        let mut opened = Vec::new();
        self.whole(name).export(&key(), &self.layout, from..to, &mut opened).unwrap();
        opened
    }

    fn path(&self, name: &BlobName, extension: &str) -> PathBuf {
        self.blobs.path().join(format!("{name}.{extension}"))
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.blobs.path()).unwrap();
        let mut files: Vec<_> =
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        files.sort();
        files
    }
}

/// Changes one byte.
fn damage(path: &Path, at: u64) {
    let file = OpenOptions::new().read(true).write(true).open(path).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_all_at(&[byte[0] ^ 1], at).unwrap();
}

#[test]
fn a_file_is_sealed_named_and_opened_in_any_range() {
    let made = Made::of(300_000);
    assert_eq!(made.files(), [format!("{NAME}.blob"), format!("{NAME}.tree")]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(made.blobs.path()), 0o700);
    assert_eq!(mode(&made.path(&NAME, "blob")), 0o600);
    let on_disk = fs::read(made.path(&NAME, "blob")).unwrap();
    assert_eq!(blake3::hash(&on_disk), made.id.0);
    assert!(!on_disk.windows(16).any(|window| window == &made.file[..16]), "it is sealed");
    let len = made.file.len() as u64;
    for (from, to) in [(0, len), (0, 1), (65_519, 65_521), (65_520, 131_040), (299_999, len + 9)] {
        let end = usize::try_from(to.min(len)).unwrap();
        let expected = &made.file[usize::try_from(from).unwrap()..end];
        assert_eq!(made.opened(&NAME, from, to), expected, "{from}..{to}");
    }
    assert!(made.opened(&NAME, len, len + 5).is_empty());
    made.whole(&NAME).check(&key(), &made.layout, GOES_ON).unwrap();
    let other = FileKey::from_bytes([8; 32]);
    let wrong = made.whole(&NAME).check(&other, &made.layout, GOES_ON);
    assert!(matches!(wrong, Err(BlobDirError::Sealed(SealedError::Corrupt))), "{wrong:?}");
}

#[test]
fn a_file_that_changes_while_it_is_read_leaves_nothing() {
    let made = Made::of(10);
    let layout = Layout::of(100_000).unwrap();
    for count in [99_999, 100_001, 0] {
        let imported = made.blobs.import(&OTHER, (&key(), &layout), &bytes(count)[..], GOES_ON);
        assert!(
            matches!(imported, Err(BlobDirError::Sealed(SealedError::Changed))),
            "{count}: {imported:?}"
        );
    }
    struct Fails;
    impl Read for Fails {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::ConnectionReset.into())
        }
    }
    let imported = made.blobs.import(&OTHER, (&key(), &layout), Fails, GOES_ON);
    assert!(matches!(imported, Err(BlobDirError::Io(_))), "{imported:?}");
    assert_eq!(made.files().len(), 2);
}

#[test]
fn what_a_crash_takes_back_was_never_said_to_be_there() {
    let made = Made::of(1_000_000);
    let groups = blob::groups(made.size());
    assert_eq!(groups, 16);
    let mut partial = made.partial();
    made.fetch(&mut partial, 0, 3);
    made.fetch(&mut partial, 9, 2);
    partial.commit().unwrap();
    made.fetch(&mut partial, 4, 4);
    assert_eq!(partial.have().len(), 9);
    drop(partial);
    // A crash: what was not synced is zeros, in blob and tree. Of the tree more is gone than these groups need.
    let part = OpenOptions::new().write(true).open(made.path(&OTHER, "part")).unwrap();
    part.write_all_at(&vec![0; 4 * 65_536], 4 * GROUP_BYTES).unwrap();
    let mut partial = made.partial();
    let there: Vec<u32> = (0..groups).filter(|group| partial.have().contains(*group)).collect();
    assert_eq!(there, [0, 1, 2, 9, 10]);
    assert_eq!(partial.bytes(), 5 * GROUP_BYTES);
    made.fetch(&mut partial, 3, 6);
    made.fetch(&mut partial, 11, groups - 11);
    partial.finish(GOES_ON).unwrap();
    assert_eq!(made.opened(&OTHER, 0, 1 << 20), made.file);
    let mut sent = Vec::new();
    made.whole(&OTHER).send(&Groups::all(made.size()), &mut sent).unwrap();
    assert_eq!(made.files().len(), 4, "{:?}", made.files());
}

#[test]
fn without_a_commit_nothing_is_there_after_a_crash() {
    let made = Made::of(200_000);
    let mut partial = made.partial();
    made.fetch(&mut partial, 0, 2);
    drop(partial);
    assert!(made.partial().have().is_empty());
}

#[test]
fn a_list_of_groups_that_is_damaged_or_of_another_blob_says_nothing() {
    let made = Made::of(1_000_000);
    let mut partial = made.partial();
    made.fetch(&mut partial, 0, 5);
    partial.commit().unwrap();
    drop(partial);
    let have = made.path(&OTHER, "have");
    let good = fs::read(&have).unwrap();
    assert_eq!(made.partial().have().len(), 5);
    for at in 0..good.len() {
        damage(&have, at as u64);
        assert!(made.partial().have().is_empty(), "byte {at}");
        fs::write(&have, &good).unwrap();
    }
    fs::write(&have, &good[..good.len() - 1]).unwrap();
    assert!(made.partial().have().is_empty());
    fs::write(&have, &good).unwrap();
    let other = made.blobs.partial(&OTHER, &BlobId([3; 32]), made.size(), GOES_ON).unwrap();
    assert!(other.have().is_empty());
    drop(other);
    // The part itself is cut short.
    OpenOptions::new().write(true).open(made.path(&OTHER, "part")).unwrap().set_len(9).unwrap();
    assert!(made.partial().have().is_empty());
}

#[test]
fn a_part_that_the_disk_damaged_does_not_become_a_blob() {
    let made = Made::of(500_000);
    let mut partial = made.partial();
    made.fetch(&mut partial, 0, blob::groups(made.size()));
    partial.commit().unwrap();
    damage(&made.path(&OTHER, "part"), 70_000);
    let finished = partial.finish(GOES_ON);
    assert!(matches!(finished, Err(BlobDirError::Damaged)), "{finished:?}");
    // It removed all of it: one false group of 80,000 cost 5 GiB that had come.
    let mut partial = made.partial();
    assert!(!partial.have().contains(1) && partial.have().len() == blob::groups(made.size()) - 1);
    // One of which groups are missing is not looked at.
    let finished = made.partial().finish(GOES_ON);
    assert!(matches!(finished, Err(BlobDirError::NotHere)), "{finished:?}");
    made.fetch(&mut partial, 1, 1);
    partial.finish(GOES_ON).unwrap();
    assert_eq!(made.opened(&OTHER, 0, 1 << 20), made.file);
}

#[test]
fn of_a_whole_blob_that_the_disk_damaged_what_is_as_it_was_stays() {
    let made = Made::of(500_000);
    let mut partial = made.partial();
    made.fetch(&mut partial, 0, blob::groups(made.size()));
    partial.finish(GOES_ON).unwrap();
    damage(&made.path(&OTHER, "blob"), 70_000);
    let mut partial = made.partial();
    assert!(!partial.have().contains(1) && partial.have().len() == blob::groups(made.size()) - 1);
    made.fetch(&mut partial, 1, 1);
    partial.finish(GOES_ON).unwrap();
    assert_eq!(made.opened(&OTHER, 0, 1 << 20), made.file);
    assert_eq!(made.files().len(), 4, "{:?}", made.files());
}

/// A list that is not believed, or whose part is gone, stayed on disk. Of a part that was made anew, and of which nothing had come,
/// the next start took it that all was there.
#[test]
fn a_list_of_groups_that_is_not_believed_goes_before_its_part_is_made() {
    let made = Made::of(500_000);
    let mut partial = made.partial();
    made.fetch(&mut partial, 0, 5);
    partial.commit().unwrap();
    drop(partial);
    fs::remove_file(made.path(&OTHER, "part")).unwrap();
    drop(made.partial());
    assert!(!made.path(&OTHER, "have").exists());
    assert!(made.partial().have().is_empty(), "the part is zeros");
}

/// Two that began at the same time were both told that there is room, for the same bytes.
#[test]
fn room_that_one_is_promised_no_other_is() {
    let made = Made::of(100_000);
    let free = |_: &Path| Ok(150_000);
    let blobs = BlobDir::open(made.blobs.path().to_owned(), 0, free).unwrap();
    let partial = blobs.partial(&OTHER, &made.id, made.size(), GOES_ON).unwrap();
    let third = BlobName([3; 16]);
    let import = || blobs.import(&third, (&key(), &made.layout), &made.file[..], GOES_ON);
    assert!(matches!(import(), Err(BlobDirError::DiskLow { .. })));
    drop(partial);
    import().unwrap();
    // What was written is on the disk, and not promised any more.
    blobs.import(&OTHER, (&key(), &made.layout), &made.file[..], GOES_ON).unwrap();
}

#[test]
fn what_takes_long_ends_when_nobody_wants_it_any_more() {
    let made = Made::of(500_000);
    let ended: IsOver<'_> = &|| true;
    let imported = made.blobs.import(&OTHER, (&key(), &made.layout), &made.file[..], ended);
    assert!(matches!(imported, Err(BlobDirError::Ended)), "{imported:?}");
    assert_eq!(made.files().len(), 2, "nothing of it is left");
    let checked = made.whole(&NAME).check(&key(), &made.layout, ended);
    assert!(matches!(checked, Err(BlobDirError::Ended)), "{checked:?}");
    let mut partial = made.partial();
    made.fetch(&mut partial, 0, blob::groups(made.size()));
    let finished = partial.finish(ended);
    assert!(matches!(finished, Err(BlobDirError::Ended)), "{finished:?}");
    // It goes on from there.
    assert!(made.partial().have().is_whole());
    made.partial().finish(GOES_ON).unwrap();
}

#[test]
fn a_damaged_blob_is_neither_served_nor_opened() {
    let made = Made::of(500_000);
    let all = Groups::all(made.size());
    for (extension, at) in [("blob", 200_000), ("tree", 70)] {
        damage(&made.path(&NAME, extension), at);
        let mut sent = Vec::new();
        let served = made.whole(&NAME).send(&all, &mut sent);
        assert!(matches!(served, Err(BlobDirError::Damaged)), "{extension}: {served:?}");
        assert!(sent.len() < 300_000, "{extension}: {}", sent.len());
        if extension == "blob" {
            let mut opened = Vec::new();
            let result = made.whole(&NAME).export(&key(), &made.layout, 0..1 << 20, &mut opened);
            assert!(matches!(result, Err(BlobDirError::Sealed(SealedError::Corrupt))));
            assert_eq!(opened, &made.file[..opened.len()]);
        }
        damage(&made.path(&NAME, extension), at);
        made.whole(&NAME).send(&all, &mut Vec::new()).unwrap();
    }
    fs::write(made.path(&NAME, "tree"), b"short").unwrap();
    let opened = made.blobs.whole(&NAME, &made.id, made.size());
    assert!(matches!(opened, Err(BlobDirError::Damaged)), "{opened:?}");
}

#[test]
fn what_nobody_knows_is_removed_and_what_is_none_of_ours_is_left() {
    let made = Made::of(100_000);
    let mut partial = made.partial();
    made.fetch(&mut partial, 0, 1);
    partial.commit().unwrap();
    drop(partial);
    fs::write(made.blobs.path().join("README"), "mine").unwrap();
    fs::write(made.blobs.path().join("note.blob"), "mine").unwrap();
    assert_eq!(made.files().len(), 7);
    assert_eq!(made.blobs.keep_only(|name| *name == NAME).unwrap(), 1);
    assert_eq!(made.files().len(), 4, "{:?}", made.files());
    made.whole(&NAME);
    made.blobs.remove(&NAME).unwrap();
    made.blobs.remove(&NAME).unwrap();
    let gone = made.blobs.whole(&NAME, &made.id, made.size());
    assert!(matches!(gone, Err(BlobDirError::NotHere)), "{gone:?}");
    assert_eq!(made.files(), ["README", "note.blob"]);
}

#[test]
fn on_a_disk_with_too_little_room_nothing_is_begun() {
    let made = Made::of(100_000);
    let full = BlobDir::open(made.place.path().join("blobs"), 1 << 41, |_| Ok(1 << 40)).unwrap();
    let imported = full.import(&OTHER, (&key(), &made.layout), &made.file[..], GOES_ON);
    assert!(matches!(imported, Err(BlobDirError::DiskLow { .. })), "{imported:?}");
    let partial = full.partial(&OTHER, &made.id, made.size(), GOES_ON).map(drop);
    assert!(matches!(partial, Err(BlobDirError::DiskLow { .. })), "{partial:?}");
    assert_eq!(made.files().len(), 2);
}

#[test]
fn a_name_is_read_as_it_is_written() {
    let name = BlobName([0xab; 16]);
    assert_eq!(name.to_string().parse(), Ok(name));
    for wrong in ["", "ab", &"AB".repeat(16), &"g0".repeat(16), &"é".repeat(16), &"ab".repeat(17)]
    {
        assert!(wrong.parse::<BlobName>().is_err(), "{wrong}");
    }
}
