//! Where the access token comes from: a file only its owner can read, standard input, or a value the caller took from the
//! environment.

use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::path::Path;

use secrecy::SecretString;

use crate::error::{Error, ErrorKind, Result};

/// Longest token file that is read.
const MAX_TOKEN_BYTES: u64 = 8 << 10;

/// Reads the token from a regular file that belongs to this user and that nobody else can read.
///
/// # Errors
/// [`ErrorKind::Credentials`] if the file is missing, a link, no regular file, open to others, someone else's, or holds
/// no usable token.
pub fn from_file(path: &Path) -> Result<SecretString> {
    let refuse = |message: &str| {
        Error::new(ErrorKind::Credentials, format!("token file {message}")).context("file", path.display())
    };
    let file = open(path).map_err(|error| {
        let message = if is_link(&error) { "is a symbolic link" } else { "cannot be read" };
        let hint = if is_link(&error) {
            "name the file itself"
        } else {
            "write the token to this file and run `chmod 600` on it"
        };
        refuse(message).hint(hint).source(error)
    })?;
    let opened = file.metadata().map_err(|error| refuse("cannot be read").source(error))?;
    if !opened.is_file() {
        return Err(refuse("is not a regular file"));
    }
    check_access(&opened, path).map_err(|(message, hint)| refuse(message).hint(hint))?;
    read(file, refuse)
}

/// Reads the token from standard input, which is `input`.
///
/// # Errors
/// [`ErrorKind::Credentials`] if it holds no usable token.
pub fn from_input(input: impl Read) -> Result<SecretString> {
    read(input, |message| {
        Error::new(ErrorKind::Credentials, format!("standard input {message}"))
            .hint("pipe in the token and nothing else; where a query reads `-`, give the token in another way")
    })
}

/// Takes the token from `value`, which the caller read from `origin`, for example an environment variable's name.
///
/// # Errors
/// [`ErrorKind::Credentials`] if it is blank or has white space inside.
pub fn from_value(value: &SecretString, origin: &str) -> Result<SecretString> {
    token(value).map_err(|message| Error::new(ErrorKind::Credentials, format!("`{origin}` holds {message}")))
}

fn read(input: impl Read, refuse: impl Fn(&str) -> Error) -> Result<SecretString> {
    let mut text = String::new();
    let read = input.take(MAX_TOKEN_BYTES + 1).read_to_string(&mut text);
    read.map_err(|error| refuse("does not hold text").source(error))?;
    if text.len() as u64 > MAX_TOKEN_BYTES {
        return Err(refuse("is too large to be a token"));
    }
    token(&SecretString::from(text)).map_err(|message| refuse(&format!("holds {message}")))
}

/// The token without the line end an editor puts behind it.
fn token(text: &SecretString) -> Result<SecretString, &'static str> {
    let text = secrecy::ExposeSecret::expose_secret(text);
    let token = text.trim_end_matches(['\r', '\n']);
    if token.trim().is_empty() {
        return Err("no token");
    }
    if !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("white space or other characters that no token has");
    }
    Ok(SecretString::from(token))
}

/// Opens the file itself: a link is not followed, and a pipe without a writer is not waited for.
#[cfg(unix)]
fn open(path: &Path) -> io::Result<File> {
    use rustix::fs::{Mode, OFlags};

    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::open(path, flags, Mode::empty())?.into())
}

#[cfg(unix)]
fn is_link(error: &io::Error) -> bool {
    // FreeBSD says EMLINK.
    [rustix::io::Errno::LOOP, rustix::io::Errno::MLINK]
        .iter()
        .any(|link| Some(link.raw_os_error()) == error.raw_os_error())
}

#[cfg(unix)]
fn check_access(opened: &Metadata, path: &Path) -> Result<(), (&'static str, String)> {
    use std::os::unix::fs::MetadataExt;

    if opened.mode() & 0o077 != 0 {
        return Err(("can be read by others", format!("chmod 600 {}", path.display())));
    }
    if opened.uid() != rustix::process::geteuid().as_raw() {
        return Err(("belongs to another user", "copy it to a file of your own".to_owned()));
    }
    Ok(())
}

#[cfg(not(unix))]
fn open(path: &Path) -> io::Result<File> {
    File::open(path)
}

#[cfg(not(unix))]
fn is_link(_error: &io::Error) -> bool {
    false
}

#[cfg(not(unix))]
fn check_access(_opened: &Metadata, _path: &Path) -> Result<(), (&'static str, String)> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use secrecy::ExposeSecret;

    use super::*;

    fn written(text: &str, mode: u32) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("token");
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("permitted");
        (folder, path)
    }

    #[test]
    fn reads_a_private_file_and_drops_the_line_end() {
        for (text, mode) in [("abc123", 0o600), ("abc123\n", 0o400), ("abc123\r\n", 0o600)] {
            let (_folder, path) = written(text, mode);
            assert_eq!(from_file(&path).expect(text).expose_secret(), "abc123");
        }
    }

    #[test]
    fn refuses_files_others_can_read_and_says_chmod() {
        for mode in [0o644, 0o640, 0o604, 0o660, 0o610] {
            let (_folder, path) = written("abc", mode);
            let error = from_file(&path).expect_err("open to others");
            assert_eq!(error.kind(), ErrorKind::Credentials);
            assert!(error.hint_text().is_some_and(|hint| hint.starts_with("chmod 600 ")));
        }
    }

    #[test]
    fn refuses_links_folders_and_missing_files() {
        let (folder, path) = written("abc", 0o600);
        let link = folder.path().join("link");
        symlink(&path, &link).expect("linked");
        for bad in [link.as_path(), folder.path(), &folder.path().join("missing")] {
            assert_eq!(from_file(bad).expect_err("refused").kind(), ErrorKind::Credentials);
        }
    }

    #[test]
    fn refuses_a_pipe_without_waiting_for_its_writer() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
        assert_eq!(from_file(&path).expect_err("refused").message(), "token file is not a regular file");
    }

    #[test]
    fn refuses_another_users_file() {
        if !rustix::process::geteuid().is_root() {
            // Only root can give a file away.
            return;
        }
        let (_folder, path) = written("abc", 0o600);
        std::os::unix::fs::chown(&path, Some(65_534), None).expect("given away");
        assert_eq!(from_file(&path).expect_err("refused").message(), "token file belongs to another user");
    }

    #[test]
    fn refuses_what_cannot_be_a_token_without_printing_it() {
        for bad in ["", "\n", "  ", "two words", "line\nline", "tab\tbed", "é"] {
            let (_folder, path) = written(bad, 0o600);
            let error = from_file(&path).expect_err(bad);
            assert!(bad.trim().is_empty() || !format!("{error:?}").contains(bad.trim()), "{error:?}");
            assert!(from_value(&SecretString::from(bad), "POSTBACK_TOKEN").is_err(), "{bad}");
        }
        let (_folder, path) = written(&"a".repeat(9_000), 0o600);
        assert!(from_file(&path).is_err());
    }
}
