//! The token: how it may be given, that a new one is found while a run goes on, and that nobody else sees it.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc;

use crate::server::{Answer, OK, Request, Server, file, postback, said};
use crate::wire::{PURCHASES, TOKEN, deliver_in};

const REVOKED: &str = r#"{"code":40105,"message":"Access token is incorrect or has been revoked.","request_id":"R7"}"#;

/// A file only its owner can read, in the place of one that may be there.
fn token_file(folder: &Path, token: &str) -> String {
    let new = file(folder, "new", token);
    fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
    let path = folder.join("token");
    fs::rename(new, &path).unwrap();
    path.to_str().unwrap().to_owned()
}

fn token(request: &Request) -> &str {
    request.headers.iter().find_map(|line| line.strip_prefix("access-token: ")).unwrap_or_default()
}

#[test]
fn a_token_that_is_replaced_during_a_run_heals_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = token_file(folder.path(), "the-old-token\n");
    let place = folder.path().to_owned();
    let server = Server::judging(move |request| {
        if token(request) == TOKEN {
            return Answer::ok(OK);
        }
        token_file(&place, TOKEN);
        Answer::ok(REVOKED)
    });
    let ended = deliver_in(&server.url, &["--token-file", &path, "--batch-events", "4"], |_| {});
    assert_eq!((ended.code, ended.places()), (0, [8, 0, 0, 0]), "{}", ended.stderr);
    let requests = server.requests();
    let tokens: Vec<&str> = requests.iter().map(token).collect();
    assert_eq!(tokens, ["the-old-token", TOKEN, TOKEN]);
    assert_eq!(requests[0].body, requests[1].body, "the probe is the same batch");
}

#[test]
fn a_refused_token_whose_file_is_unusable_stops_the_run_and_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let path = token_file(folder.path(), TOKEN);
    let opened = path.clone();
    let server = Server::judging(move |_| {
        fs::set_permissions(&opened, fs::Permissions::from_mode(0o644)).unwrap();
        Answer::ok(REVOKED)
    });
    let ended = deliver_in(&server.url, &["--token-file", &path], |_| {});
    assert_eq!((ended.code, ended.places(), server.requests().len()), (3, [0, 0, 0, 8], 2), "{}", ended.stderr);
    assert!(ended.stderr.contains("token file can be read by others"), "{}", ended.stderr);
    assert!(ended.stderr.contains("40105"), "{}", ended.stderr);
}

/// Runs the query files with `input` as standard input and as the token's file.
fn piped(url: &str, queries: &[&str], input: &str) -> (i32, String) {
    let mut run = postback(&[&["run", "--base-url", url, "--token-file", "-"], queries].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It may have ended without having read anything.
    drop(run.stdin.take().unwrap().write_all(input.as_bytes()));
    let ended = run.wait_with_output().unwrap();
    (ended.status.code().unwrap(), String::from_utf8(ended.stderr).unwrap())
}

#[test]
fn a_token_is_taken_from_standard_input_once_for_all_files() {
    let folder = tempfile::tempdir().unwrap();
    let queries = ["one.sql", "two.sql"].map(|name| file(folder.path(), name, PURCHASES));
    let server = Server::answering([Answer::ok(OK)]);
    let (code, stderr) = piped(&server.url, &queries.each_ref().map(String::as_str), &format!("{TOKEN}\n"));
    assert_eq!(code, 0, "{stderr}");
    assert!(server.requests().iter().all(|request| token(request) == TOKEN));
    assert!(!server.requests().is_empty());
}

#[test]
fn standard_input_without_a_usable_token_ends_the_run_before_a_request() {
    let folder = tempfile::tempdir().unwrap();
    let from_file = file(folder.path(), "one.sql", PURCHASES);
    let server = Server::answering([Answer::ok(OK)]);
    for (input, problem) in
        [("", "holds no token"), ("two words", "holds white space"), (&"t".repeat(9_000), "is too large to be a token")]
    {
        let (code, stderr) = piped(&server.url, &[&from_file], input);
        assert_eq!((code, server.requests().len()), (3, 0), "{stderr}");
        assert!(stderr.contains(&format!("standard input {problem}")), "{stderr}");
        assert!(input.is_empty() || !stderr.contains(input), "{stderr}");
    }
}

#[test]
fn a_token_as_a_flag_is_refused_and_not_repeated() {
    for flags in [&["--token", TOKEN][..], &["--access-token", TOKEN], &[concat!("--token=", "token-of-the-test")]] {
        let said = said(&mut postback(&[&["run", "purchases.sql"], flags].concat()));
        assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{}", said.stderr);
        assert!(said.stderr.contains("POSTBACK_ACCESS_TOKEN"), "{}", said.stderr);
        assert!(!said.stderr.contains(TOKEN), "{}", said.stderr);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_run_leaves_no_core_dump() {
    let folder = tempfile::tempdir().unwrap();
    let query = file(folder.path(), "purchases.sql", PURCHASES);
    let (tell, told) = mpsc::channel::<u32>();
    let (answer, limits) = mpsc::channel();
    let server = Server::judging(move |_| {
        answer.send(fs::read_to_string(format!("/proc/{}/limits", told.recv().unwrap())).unwrap()).unwrap();
        Answer::ok(OK)
    });
    let mut run = postback(&["run", &query, "--base-url", &server.url, "--quiet"])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    tell.send(run.id()).unwrap();
    assert!(run.wait().unwrap().success());
    let limits: String = limits.recv().unwrap();
    let core: Vec<&str> =
        limits.lines().find(|line| line.starts_with("Max core file size")).unwrap().split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"], "{core:?}");
}
