//! What messages say of files.

use martlet_protocol::file::{FileName, Thumbnail};
use martlet_protocol::limits::{
    DURATION_MS_MAX, FILE_BYTES_MAX, FILE_INLINE_BYTES_MAX, FILE_NAME_BYTES_MAX,
    FILE_TEXT_BYTES_MAX, MEDIA_TYPE_BYTES_MAX, THUMBNAIL_BYTES_MAX,
};
use martlet_protocol::message::{
    BlobContent, File, FileBytes, FileContent, FileError, FileHolders, FileReceived, Holder,
    MessageError, file,
};
use martlet_protocol::{BlobId, MessageId, codec};
use serde::Serialize;
use serde_bytes::ByteBuf;

use super::{counting, key};

pub(super) fn small() -> File {
    File {
        name: FileName::harmless("minutes.pdf"),
        media_type: "application/pdf".into(),
        content: FileContent::Here(FileBytes::new(b"%PDF".to_vec()).unwrap()),
        duration_ms: None,
        text: "of Monday".into(),
    }
}

pub(super) fn holder() -> Holder {
    Holder { peer: ByteBuf::from(counting(38)), addresses: vec![ByteBuf::from(counting(8))] }
}

pub(super) fn large() -> File {
    File {
        name: FileName::harmless("choir.ogg"),
        media_type: "audio/ogg".into(),
        content: FileContent::Blob(Box::new(BlobContent {
            size: 3_000_000,
            key: key(),
            blob: BlobId([2; 32]),
            has_parts: true,
            thumbnail: Thumbnail::new(vec![0xff, 0xd8, 0xff, 0xe0]).ok(),
            holders: vec![holder()],
        })),
        duration_ms: Some(61_000),
        text: String::new(),
    }
}

/// A payload as the documentation has it.
#[derive(Clone, Serialize)]
struct Fields {
    name: String,
    media_type: String,
    size: u64,
    key: Option<ByteBuf>,
    blob: Option<ByteBuf>,
    bytes: Option<ByteBuf>,
    parts: Option<u16>,
    thumbnail: Option<ByteBuf>,
    duration_ms: Option<u32>,
    holders: Vec<(ByteBuf, Vec<ByteBuf>)>,
    text: String,
    of_a_newer_build: Option<u8>,
}

fn here() -> Fields {
    Fields {
        name: "a.txt".into(),
        media_type: "text/plain".into(),
        size: 2,
        key: None,
        blob: None,
        bytes: Some(ByteBuf::from(b"hi".to_vec())),
        parts: None,
        thumbnail: None,
        duration_ms: None,
        holders: Vec::new(),
        text: String::new(),
        of_a_newer_build: Some(1),
    }
}

fn elsewhere() -> Fields {
    Fields {
        size: 3_000_000,
        key: Some(ByteBuf::from(vec![1; 32])),
        blob: Some(ByteBuf::from(vec![2; 32])),
        bytes: None,
        ..here()
    }
}

fn read(fields: &Fields) -> Result<File, FileError> {
    match File::decode(&codec::encode(fields)) {
        Ok(file) => Ok(file),
        Err(MessageError::File(error)) => Err(error),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn files_are_read_as_they_were_said() {
    for file in [small(), large()] {
        assert!(File::decode(&file.encode()).unwrap() == file);
    }
    let told = FileHolders { file: MessageId([1; 16]), holders: vec![holder(); 4] };
    assert_eq!(FileHolders::decode(&told.encode()).unwrap(), told);
    let many = FileHolders { holders: vec![holder(); 5], ..told };
    assert!(matches!(FileHolders::decode(&many.encode()), Err(MessageError::File(_))));
    let received = FileReceived { file: MessageId([1; 16]) };
    assert_eq!(FileReceived::decode(&received.encode()).unwrap(), received);
}

#[test]
fn the_largest_of_everything_fits() {
    let largest = File {
        name: FileName::harmless(&"n".repeat(FILE_NAME_BYTES_MAX)),
        media_type: format!("a/{}", "b".repeat(MEDIA_TYPE_BYTES_MAX - 2)),
        content: FileContent::Here(FileBytes::new(counting(FILE_INLINE_BYTES_MAX)).unwrap()),
        duration_ms: Some(DURATION_MS_MAX),
        text: "t".repeat(FILE_TEXT_BYTES_MAX),
    };
    let bytes = largest.encode();
    assert!(bytes.len() + 512 <= file::BYTES_MAX, "{} bytes", bytes.len());
    assert!(File::decode(&bytes).unwrap() == largest);
    let more = FileBytes::new(counting(FILE_INLINE_BYTES_MAX + 1));
    assert!(matches!(more, Err(FileError::TooLarge { .. })));
}

#[test]
fn what_contradicts_itself_is_refused() {
    assert!(read(&here()).is_ok() && read(&elsewhere()).is_ok());
    let some = |bytes: &[u8]| Some(ByteBuf::from(bytes.to_vec()));
    for fields in [
        Fields { size: 3, ..here() },
        Fields { bytes: None, ..here() },
        Fields { key: some(&[1; 32]), ..here() },
        Fields { blob: some(&[1; 32]), ..here() },
        Fields { parts: Some(1), ..here() },
        Fields { thumbnail: some(&[0xff, 0xd8, 0xff]), ..here() },
        Fields { bytes: some(b"hi"), ..elsewhere() },
        Fields { key: None, ..elsewhere() },
        Fields { blob: None, ..elsewhere() },
        Fields { size: FILE_BYTES_MAX + 1, ..elsewhere() },
        Fields { parts: Some(7), ..elsewhere() },
        Fields { parts: Some(130), size: 4_200_000, ..elsewhere() },
    ] {
        assert_eq!(read(&fields).err(), Some(FileError::Contradiction));
    }
    let holder = |peer: usize, addresses: usize, len: usize| {
        let holder = (ByteBuf::from(counting(peer)), vec![ByteBuf::from(counting(len)); addresses]);
        read(&Fields { holders: vec![holder], ..elsewhere() })
    };
    assert!(holder(38, 4, 128).is_ok());
    for (peer, addresses, len) in [(0, 1, 8), (65, 1, 8), (38, 5, 8), (38, 1, 129)] {
        assert_eq!(holder(peer, addresses, len).err(), Some(FileError::Holders));
    }
    let long = Fields { text: "t".repeat(FILE_TEXT_BYTES_MAX + 1), ..here() };
    assert!(matches!(read(&long), Err(FileError::Text { .. })));
    let long = Fields { duration_ms: Some(DURATION_MS_MAX + 1), ..here() };
    assert!(matches!(read(&long), Err(FileError::Duration { .. })));
}

#[test]
fn names_types_and_thumbnails_of_others_do_no_harm() {
    let file = read(&Fields { name: "../.ssh/x".into(), media_type: "?".into(), ..here() });
    let file = file.unwrap();
    assert_eq!(file.name.as_str(), "___.ssh_x");
    assert_eq!(file.media_type, "application/octet-stream");
    let shown = |thumbnail: Vec<u8>| {
        let fields = Fields { thumbnail: Some(ByteBuf::from(thumbnail)), ..elsewhere() };
        match read(&fields).unwrap().content {
            FileContent::Blob(blob) => blob.thumbnail.is_some(),
            FileContent::Here(_) => panic!(),
        }
    };
    assert!(shown(vec![0xff, 0xd8, 0xff, 0]) && shown(b"RIFF....WEBP".to_vec()));
    let mut long = vec![0xff; THUMBNAIL_BYTES_MAX + 1];
    long[1] = 0xd8;
    assert!(!shown(b"GIF89a".to_vec()) && !shown(Vec::new()) && !shown(long));
}
