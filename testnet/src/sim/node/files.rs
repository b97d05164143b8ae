//! What a person does with files, and the disk on which a simulated node has those that are no part of its databases.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use martlet_engine::command::{PrepareBlob, SendBlob, SendFile};
use martlet_protocol::control::FileSend;
use martlet_protocol::file::sealed::Layout;
use martlet_store::blobs::BlobDir;
use martletd::blobs::Keeper;
use martletd::limits::BLOB_DISK_FREE_MIN;

use super::Node;
use crate::plan::{FilePlan, NodeIndex, Way, file_contents, file_name};

/// What every file is, as its sender says.
const MEDIA_TYPE: &str = "application/octet-stream";
/// What a full disk has beside it.
const FULL: &str = "full";
/// Where one copy is of what several nodes have.
const POOL: &str = "pool";

/// The part of a node's disk on which its files are: a directory of this machine, below that of the simulation.
#[derive(Debug)]
pub(super) struct FileDisk {
    /// That of the simulation.
    root: PathBuf,
    node: NodeIndex,
    /// How often the node crashed. What was under way then can write into its directory no more.
    crashes: u32,
}

impl FileDisk {
    pub(super) fn new(root: PathBuf, node: NodeIndex) -> Self {
        Self { root, node, crashes: 0 }
    }

    pub(super) fn open(&self) -> io::Result<BlobDir> {
        BlobDir::open(self.path(), BLOB_DISK_FREE_MIN, free_bytes)
    }

    fn path(&self) -> PathBuf {
        self.root.join(format!("{}-{}", self.node, self.crashes))
    }

    /// Takes what is there from whoever is writing: what was not on it yet is lost.
    pub(super) fn crash(&mut self) {
        let before = self.path();
        self.crashes += 1;
        // An error: there was none yet.
        fs::rename(before, self.path()).unwrap_or_default();
    }

    pub(super) fn erase(&mut self) {
        // An error: there is none.
        fs::remove_dir_all(self.path()).unwrap_or_default();
        self.crashes += 1;
    }

    pub(super) fn set_full(&self, is_full: bool) {
        let mark = self.root.join(self.node.to_string()).with_extension(FULL);
        let marked = if is_full { fs::write(mark, []) } else { fs::remove_file(mark) };
        // An error: it was so already.
        marked.unwrap_or_default();
    }

    /// Lets whole files that other nodes have too take the place of one. Nodes see no difference: nobody writes what is whole.
    pub(super) fn share(&self) -> io::Result<()> {
        let pool = self.root.join(POOL);
        fs::create_dir_all(&pool)?;
        let Ok(entries) = fs::read_dir(self.path()) else { return Ok(()) };
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|of| of == "blob") {
                share_one(&path, &pool)?;
            }
        }
        Ok(())
    }
}

/// One file that is whole. What proves it tells it from all others.
fn share_one(blob: &Path, pool: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let found = fs::metadata(blob)?;
    let tree = fs::read(blob.with_extension("tree"))?;
    // A small one has no proof but itself.
    if found.nlink() > 1 || tree.is_empty() {
        return Ok(());
    }
    let name = blake3::Hasher::new().update(&found.len().to_be_bytes()).update(&tree).finalize();
    let one = pool.join(name.to_hex().as_str());
    match fs::hard_link(blob, &one) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let next = blob.with_extension("shared");
            fs::hard_link(&one, &next)?;
            fs::rename(next, blob)
        }
        linked => linked,
    }
}

/// How much is free on the disk on which this directory is: nothing, or enough.
fn free_bytes(directory: &Path) -> io::Result<u64> {
    let node = directory.file_name().and_then(|name| name.to_str()?.split_once('-'));
    let mark = node.map(|(node, _)| directory.with_file_name(node).with_extension(FULL));
    Ok(if mark.is_some_and(|mark| mark.exists()) { 0 } else { u64::MAX })
}

impl Node {
    fn keeper(&self) -> Option<&Keeper> {
        self.running.as_ref()?.keeper.as_ref()
    }

    /// The message's id; `None` if its daemon does not take it.
    pub(in crate::sim) async fn send_file(
        &self,
        to: &str,
        message: usize,
        (file, way): (FilePlan, Way),
        is_direct: bool,
    ) -> Option<String> {
        let (engine, keeper) = (self.engine().ok()?, self.keeper()?);
        let request =
            FileSend { to: to.to_owned(), name: file_name(message), ..FileSend::default() };
        let (size, mut contents) = (file.bytes, file_contents(message, file.bytes));
        let media_type = MEDIA_TYPE.to_owned();
        if way == Way::Message {
            let mut bytes = Vec::new();
            contents.read_to_end(&mut bytes).ok()?;
            return engine.call(SendFile { request, media_type, bytes }).await.ok().map(|it| it.id);
        }
        let layout = Layout::of(size).ok()?;
        let closing = keeper.closing();
        let prepare = PrepareBlob { request: request.clone(), size };
        let prepared = engine.call(prepare).await.ok()?;
        let seal = (prepared.key.clone(), layout);
        let imported = keeper.import(prepared.name, seal, contents, closing).await.ok()?;
        let holders = if is_direct { vec![keeper.own_holder().await] } else { Vec::new() };
        let blob = imported.id();
        let sent = SendBlob { request, media_type, size, prepared, blob, holders, voice_ms: None };
        let sent = engine.call(sent).await.ok()?;
        imported.keep();
        Some(sent.id)
    }

    /// Lets one copy be of what several nodes have on their disks.
    pub(in crate::sim) fn share_files(&self) -> io::Result<()> {
        self.files.as_ref().map_or(Ok(()), FileDisk::share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_lost_to_who_wrote_when_it_crashed_and_can_be_full() -> io::Result<()> {
        let root = tempfile::tempdir()?;
        let mut disk = FileDisk::new(root.path().to_owned(), 3);
        disk.open()?;
        let before = disk.path();
        fs::write(before.join("x.part"), "some")?;
        assert_eq!(free_bytes(&disk.path())?, u64::MAX);
        disk.set_full(true);
        disk.crash();
        assert!(!before.exists());
        assert_eq!(fs::read_to_string(disk.path().join("x.part"))?, "some");
        assert_eq!(free_bytes(&disk.path())?, 0);
        disk.set_full(false);
        assert_eq!(free_bytes(&disk.path())?, u64::MAX);
        disk.erase();
        disk.open()?;
        assert_eq!(fs::read_dir(disk.path())?.count(), 0);
        Ok(())
    }

    #[test]
    fn what_several_nodes_have_is_on_the_machine_once() -> io::Result<()> {
        use std::os::unix::fs::MetadataExt;
        let root = tempfile::tempdir()?;
        let disks = [0, 1, 2].map(|node| FileDisk::new(root.path().to_owned(), node));
        for (disk, (blob, tree)) in disks.iter().zip([("ab", "t"), ("ab", "t"), ("cd", "u")]) {
            disk.open()?;
            fs::write(disk.path().join("x.blob"), blob)?;
            fs::write(disk.path().join("x.tree"), tree)?;
            disk.share()?;
            disk.share()?;
        }
        let inode =
            |disk: &FileDisk| Ok::<_, io::Error>(fs::metadata(disk.path().join("x.blob"))?.ino());
        assert_eq!(inode(&disks[0])?, inode(&disks[1])?);
        assert_ne!(inode(&disks[0])?, inode(&disks[2])?);
        Ok(())
    }
}
