//! The directory in which the model runs.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

/// Deeper payloads are refused; the links of the NodeManager are far flatter.
const MAX_DEPTH: usize = 32;

/// The private directory's name, beside the payload's.
const PRIVATE: &str = "model.private";

/// A directory of the container's own that shows the payload at `payload`.
///
/// The NodeManager makes a real directory of links for a payload of files: that is it. An archive is one link to a
/// directory that all containers of the node share, in which an announcement would be seen by all: then a directory of
/// links is made beside it.
///
/// # Errors
/// The directory can't be read, or the links can't be made.
pub fn own_directory(payload: &Path) -> io::Result<PathBuf> {
    let own = std::fs::symlink_metadata(payload)?.is_dir() && access(payload, Access::WRITE_OK).is_ok();
    if own {
        return Ok(payload.to_owned());
    }
    let private = payload.with_file_name(PRIVATE);
    link_all(&payload.canonicalize()?, &private, 0)?;
    Ok(private)
}

fn link_all(from: &Path, to: &Path, depth: usize) -> io::Result<()> {
    if depth > MAX_DEPTH {
        return Err(io::Error::other(format!("{} lies more than {MAX_DEPTH} directories deep", from.display())));
    }
    match std::fs::create_dir(to) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let link = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            link_all(&entry.path(), &link, depth + 1)?;
        } else {
            match std::os::unix::fs::symlink(entry.path(), &link) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                Ok(()) | Err(_) => {}
            }
        }
    }
    Ok(())
}

/// Removes an announcement that a run before, or the payload itself, has left: only what this run writes counts.
///
/// # Errors
/// It is there and can't be removed.
pub fn forget_announcement(path: &Path) -> io::Result<()> {
    let removed = match std::fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => std::fs::remove_dir_all(path),
        Ok(_) => std::fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_the_containers_own_is_used_as_it_is() {
        let dir = tempfile::tempdir().unwrap();
        let model = dir.path().join("model");
        std::fs::create_dir(&model).unwrap();
        assert_eq!(own_directory(&model).unwrap(), model);
    }

    #[test]
    fn a_shared_directory_is_shown_through_links() {
        let dir = tempfile::tempdir().unwrap();
        let shared = dir.path().join("cache");
        std::fs::create_dir_all(shared.join("lib/deep")).unwrap();
        std::fs::write(shared.join("rest.sh"), "x").unwrap();
        std::fs::write(shared.join("lib/deep/w.bin"), "weights").unwrap();
        let model = dir.path().join("model");
        std::os::unix::fs::symlink(&shared, &model).unwrap();
        let own = own_directory(&model).unwrap();
        assert_eq!(own, dir.path().join("model.private"));
        assert_eq!(std::fs::read_to_string(own.join("lib/deep/w.bin")).unwrap(), "weights");
        std::fs::write(own.join("endpoint.dat"), "{}").unwrap();
        assert!(!shared.join("endpoint.dat").exists());
        assert_eq!(own_directory(&model).unwrap(), own, "a second runner finds it made");
    }

    #[test]
    fn a_shipped_announcement_is_forgotten_without_touching_the_payload() {
        let dir = tempfile::tempdir().unwrap();
        let shipped = dir.path().join("shipped.dat");
        std::fs::write(&shipped, "{}").unwrap();
        let announcement = dir.path().join("endpoint.dat");
        std::os::unix::fs::symlink(&shipped, &announcement).unwrap();
        forget_announcement(&announcement).unwrap();
        assert!(!announcement.exists() && shipped.exists());
        forget_announcement(&announcement).unwrap();
    }
}
