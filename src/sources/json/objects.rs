//! The objects of JSON text, one after the other, each sound or faulty.

use std::io::{self, Read};
use std::ops::Range;
use std::str;

use memchr::{memchr, memmem};

use super::check::{self, Flaw, Names};
use crate::sources::recognise::Format;
use crate::sources::unread::{Damage, Fault, Spot};
use crate::sources::window::{LineEnds, MAX_RECORD, Window};

/// Reads objects from `R`.
pub(super) struct Objects<R> {
    window: Window<R>,
    /// None before the first object has told.
    layout: Option<Layout>,
    is_cut: bool,
    /// Where the last object began.
    last: Spot,
    /// The names in all objects so far.
    names: Names,
    found: Vec<Range<usize>>,
}

/// How the objects stand in their text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// On a line of their own.
    Lines,
    /// One behind the other, over several lines.
    Sequence,
    /// In an array.
    Array(Place),
}

/// Where in an array the window begins.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Before,
    First,
    Item,
    BehindItem,
    Behind,
}

/// What stands next in the text.
pub(super) enum Found<'a> {
    /// Sound objects, of which the first begins at `spot`, and all in its line.
    Objects { spot: Spot, text: &'a str, objects: &'a [Range<usize>] },
    /// One that cannot be read.
    Faulty(Fault),
}

/// Why a file cannot be read on.
#[derive(Debug)]
pub(super) enum Broken {
    /// Its bytes do not come.
    Source(io::Error),
    /// Its array is damaged, in this line.
    Array(u64, String),
    /// It ends within the object that begins in this line.
    Cut(u64),
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Source(error)
    }
}

/// What the window begins with.
enum Piece {
    /// A value of so many bytes, and so many of it and of what ends it.
    Value(usize, usize),
    Faulty(Damage, &'static str),
    End,
}

impl<R: Read> Objects<R> {
    /// The objects of `source`, which ends in the middle of its text if it `is_cut`.
    pub(super) fn new(source: R, format: &Format, is_cut: bool) -> Self {
        let layout = matches!(format, Format::JsonArray).then_some(Layout::Array(Place::Before));
        Self {
            window: Window::new(source, LineEnds::LineFeeds),
            layout,
            is_cut,
            last: Spot::line(0),
            names: Names::default(),
            found: Vec::new(),
        }
    }

    /// The next objects; none at the end.
    ///
    /// # Errors
    /// What the source fails with, and the damage of an array.
    pub(super) fn next_objects(&mut self) -> Result<Option<Found<'_>>, Broken> {
        let layout = match self.layout {
            Some(layout) => layout,
            None => self.told()?,
        };
        self.layout = Some(layout);
        let piece = match layout {
            Layout::Lines => self.line()?,
            Layout::Sequence => self.value()?,
            Layout::Array(place) => self.item(place)?,
        };
        let line = self.window.line();
        let (length, taken) = match piece {
            Piece::End => return Ok(None),
            Piece::Faulty(damage, detail) => {
                let spot = self.next_spot();
                return self.faulty(spot, damage, detail.to_owned());
            }
            Piece::Value(length, taken) => (length, taken),
        };
        let spot = self.next_spot();
        self.found.clear();
        let text = &self.window.text()[..length];
        let flaw = if memchr(0, text).is_some() {
            Some((Damage::Nul, "a NUL byte".to_owned()))
        } else {
            match str::from_utf8(text).map(|text| check::objects(text, &mut self.found, &mut self.names)) {
                Ok(Ok(())) => None,
                Ok(Err(Flaw::Twins)) => Some((Damage::Json, Flaw::Twins.to_string())),
                Ok(Err(flaw)) if matches!(layout, Layout::Array(_)) => {
                    return Err(Broken::Array(line, flaw.to_string()));
                }
                // A line without an end, which would look like less data.
                Ok(Err(Flaw::Cut)) if taken == length && layout == Layout::Lines => return Err(Broken::Cut(line)),
                Ok(Err(flaw)) => Some((Damage::Json, flaw.to_string())),
                Err(_) => Some((Damage::Encoding, "bytes that are not UTF-8".to_owned())),
            }
        };
        match flaw {
            // An array says itself where the faulty object ends.
            Some((damage, detail)) if matches!(layout, Layout::Array(_)) => {
                self.window.take_lines(taken);
                Ok(Some(Found::Faulty(Fault { spot, damage, detail: detail.into() })))
            }
            Some((damage, detail)) => self.faulty(spot, damage, detail),
            None => {
                self.window.take_lines(taken);
                let text = str::from_utf8(&self.window.taken(taken)[..length]).expect("it was checked above");
                Ok(Some(Found::Objects { spot, text, objects: &self.found }))
            }
        }
    }

    /// The names in all objects so far.
    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// Where the object at the beginning of the window stands; each is asked for once.
    fn next_spot(&mut self) -> Spot {
        let line = self.window.line();
        self.last = if self.last.line == line { Spot { line, object: self.last.object + 1 } } else { Spot::line(line) };
        self.last
    }

    /// Whether the first object ends in its first line.
    fn told(&mut self) -> io::Result<Layout> {
        self.pass_space()?;
        loop {
            let (text, is_last) = (self.window.text(), self.window.is_over() || self.window.is_full());
            let end = memchr(b'\n', text);
            let line = str::from_utf8(&text[..end.unwrap_or(text.len())]).unwrap_or_default();
            if end.is_some() && check::objects(line, &mut Vec::new(), &mut Names::default()) != Err(Flaw::Cut) {
                return Ok(Layout::Lines);
            }
            if let (Some(_), Some(end)) = (end, end_of_value(text)) {
                let value = str::from_utf8(&text[..end]).unwrap_or("?");
                let is_sound = check::objects(value, &mut Vec::new(), &mut Names::default()).is_ok();
                return Ok(if is_sound { Layout::Sequence } else { Layout::Lines });
            }
            if is_last {
                return Ok(Layout::Lines);
            }
            self.window.more()?;
        }
    }

    /// The next line that is not blank.
    fn line(&mut self) -> io::Result<Piece> {
        loop {
            let text = self.window.text();
            match memchr(b'\n', text) {
                Some(end) if text[..end].trim_ascii().is_empty() => self.window.take_lines(end + 1),
                Some(end) => return Ok(Piece::Value(end, end + 1)),
                None if self.window.is_over() => {
                    let is_end = self.is_cut || text.trim_ascii().is_empty();
                    return Ok(if is_end { Piece::End } else { Piece::Value(text.len(), text.len()) });
                }
                None if self.window.is_full() => {
                    return Ok(Piece::Faulty(Damage::TooLong, "a line of more than 16 MiB"));
                }
                None => self.window.more()?,
            }
        }
    }

    /// The next value of a sequence.
    fn value(&mut self) -> Result<Piece, Broken> {
        self.pass_space()?;
        loop {
            let text = self.window.text();
            match text.first() {
                None => return Ok(Piece::End),
                Some(b'{') => {}
                Some(_) => return Ok(Piece::Faulty(Damage::Json, "text that begins no object")),
            }
            // Where too much was looked at in vain, an object must end before the next line that begins with one.
            let begin = if self.window.is_worn() { memmem::find(text, b"\n{") } else { None };
            if let Some(end) = end_of_value(&text[..begin.unwrap_or(text.len())]) {
                return Ok(Piece::Value(end, end));
            }
            if begin.is_some() {
                return Ok(Piece::Faulty(Damage::Json, "an object that has no end"));
            }
            if self.window.is_full() {
                self.window.note_vain(MAX_RECORD);
                return Ok(Piece::Faulty(Damage::TooLong, "an object of more than 16 MiB"));
            }
            if self.window.is_over() {
                return if self.is_cut { Ok(Piece::End) } else { Err(Broken::Cut(self.window.line())) };
            }
            self.window.more()?;
        }
    }

    /// The next item of an array.
    fn item(&mut self, mut place: Place) -> Result<Piece, Broken> {
        loop {
            self.pass_space()?;
            let line = self.window.line();
            let broken = |what: &str| Err(Broken::Array(line, what.to_owned()));
            let Some(first) = self.window.text().first() else {
                return if self.is_cut || place == Place::Behind {
                    Ok(Piece::End)
                } else {
                    broken("the array has no end")
                };
            };
            place = match (place, first) {
                (Place::Before, b'[') => Place::First,
                (Place::First | Place::BehindItem, b']') => Place::Behind,
                (Place::BehindItem, b',') => Place::Item,
                (Place::First | Place::Item, b'{') => {
                    let end = end_of_value(self.window.text());
                    if end.is_none() && self.window.is_full() {
                        return broken("an object of more than 16 MiB");
                    }
                    if let Some(end) = end {
                        self.layout = Some(Layout::Array(Place::BehindItem));
                        return Ok(Piece::Value(end, end));
                    }
                    if self.window.is_over() {
                        return if self.is_cut { Ok(Piece::End) } else { broken("the array has no end") };
                    }
                    self.window.more()?;
                    continue;
                }
                (Place::First | Place::Item, b',' | b']' | b'}') => return broken("an item is missing"),
                (Place::First | Place::Item, _) => return broken("JSON that is no object"),
                (Place::BehindItem, _) => return broken("no comma behind an item"),
                (Place::Before | Place::Behind, _) => return broken("text beside the array"),
            };
            self.layout = Some(Layout::Array(place));
            self.window.take(1, 0);
        }
    }

    /// Goes on with what is no white space; reads if there is nothing left.
    fn pass_space(&mut self) -> io::Result<()> {
        loop {
            let text = self.window.text();
            let space = text.len() - text.trim_ascii_start().len();
            let is_empty = space == text.len();
            self.window.take_lines(space);
            if !is_empty || self.window.is_over() {
                return Ok(());
            }
            self.window.more()?;
        }
    }

    /// What the window begins with is at fault, and reading goes on behind it.
    fn faulty(&mut self, spot: Spot, damage: Damage, detail: String) -> Result<Option<Found<'_>>, Broken> {
        loop {
            self.window.skip_line()?;
            if self.layout != Some(Layout::Sequence) {
                break;
            }
            // An object within the faulty one is indented.
            while self.window.text().is_empty() && !self.window.is_over() {
                self.window.more()?;
            }
            if matches!(self.window.text().first(), None | Some(b'{')) {
                break;
            }
        }
        Ok(Some(Found::Faulty(Fault { spot, damage, detail: detail.into() })))
    }
}

/// Where the object ends with which `text` begins, if its brackets are even.
fn end_of_value(text: &[u8]) -> Option<usize> {
    let (mut depth, mut is_string, mut is_escaped) = (0_usize, false, false);
    for (at, byte) in text.iter().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_string => is_escaped = true,
            b'"' => is_string = !is_string,
            _ if is_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return Some(at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Line and text of each sound object, line and damage of each other, and what an array breaks with.
    fn objects(text: &[u8], format: &Format) -> Vec<String> {
        let mut objects = Objects::new(text, format, false);
        let mut all = Vec::new();
        loop {
            match objects.next_objects() {
                Ok(None) => return all,
                Ok(Some(Found::Objects { spot, text, objects })) => {
                    let shown = |range: &Range<usize>| text[range.clone()].replace(['\n', ' '], "");
                    all.extend(objects.iter().map(|range| format!("{} {}", spot.line, shown(range))));
                }
                Ok(Some(Found::Faulty(fault))) => all.push(format!("{} {:?}", fault.spot, fault.damage)),
                Err(Broken::Array(line, what)) => {
                    all.push(format!("{line} {what}"));
                    return all;
                }
                Err(Broken::Cut(line)) => {
                    all.push(format!("{line} cut"));
                    return all;
                }
                Err(Broken::Source(error)) => panic!("{error}"),
            }
        }
    }

    #[test]
    fn a_faulty_line_costs_itself_alone() {
        for (text, expected) in [
            (&b"{\"a\":1}\n\n{\"a\":\n{\"a\":3}\r\n"[..], &["1 {\"a\":1}", "3 Json", "4 {\"a\":3}"][..]),
            (b"{\"a\":1\n{\"a\":2}\n", &["1 Json", "2 {\"a\":2}"]),
            (b"{\"a\":\"\xff\"}\n{\"a\":\"\0\"}\n7\n{\"a\":4}", &["1 Encoding", "2 Nul", "3 Json", "4 {\"a\":4}"]),
            (b"{\"a\":1,\"a\":2}\n{\"a\":2}{\"a\":3}\n{\"a\"", &["1 Json", "2 {\"a\":2}", "2 {\"a\":3}", "3 cut"]),
        ] {
            assert_eq!(objects(text, &Format::NdJson), expected, "{}", text.escape_ascii());
        }
        let long = [b"{\"a\":1}\n{\"a\":\"".to_vec(), vec![b'x'; 40 << 20], b"\"}\n{\"a\":3}\n".to_vec()].concat();
        assert_eq!(objects(&long, &Format::NdJson), ["1 {\"a\":1}", "2 TooLong", "3 {\"a\":3}"]);
    }

    #[test]
    fn objects_over_several_lines_follow_one_another() {
        let text = "{\n \"a\": 1\n}\n{\n \"a\": [ {\n  \"b\" }\n ]\n}\n{\"a\":\n3}{\"a\":4}\n";
        assert_eq!(objects(text.as_bytes(), &Format::NdJson), ["1 {\"a\":1}", "4 Json", "9 {\"a\":3}", "10 {\"a\":4}"]);
        assert_eq!(objects(b"{\n\"a\":1}\n{\n", &Format::NdJson), ["1 {\"a\":1}", "3 cut"]);
    }

    #[test]
    fn objects_without_an_end_take_time_by_their_length() {
        let text = format!("{{\n\"a\":1}}\n{}", "{\"a\":{\n".repeat(2_400_000));
        let mut objects = Objects::new(text.as_bytes(), &Format::NdJson, false);
        let mut faulty = 0;
        let broken = loop {
            match objects.next_objects() {
                Ok(found) => faulty += u32::from(matches!(found.expect("it ends with damage"), Found::Faulty(_))),
                Err(broken) => break broken,
            }
        };
        // The first whose end could still come.
        assert!(faulty > 300_000 && matches!(broken, Broken::Cut(_)), "{faulty} {broken:?}");
        assert!(objects.window.vain() < 10 * text.len() as u64, "{}", objects.window.vain());
    }

    #[test]
    fn an_array_is_whole_or_damaged() {
        let items = |text: &[u8]| objects(text, &Format::JsonArray);
        assert_eq!(items(b" [\n{\"a\":[1,2]}\n,{\"b\":\"],\\\"\"} ]\n"), ["2 {\"a\":[1,2]}", "3 {\"b\":\"],\\\"\"}"]);
        assert!(items(b" [ ]").is_empty());
        for (text, expected) in [
            (&b"[{\"a\":1}\n"[..], "2 the array has no end"),
            (b"[\n{\"a\":[1]", "2 the array has no end"),
            (b"[{\"a\":\"]", "1 the array has no end"),
            (b"[{}] x", "1 text beside the array"),
            (b"[{}]\n[{}]", "2 text beside the array"),
            (b"[{},]", "1 an item is missing"),
            (b"[{}{}]", "1 no comma behind an item"),
            (b"[1]", "1 JSON that is no object"),
            (b"[{\"a\":}]", "1 no well-formed JSON at byte 6"),
        ] {
            assert_eq!(items(text).last().unwrap(), expected, "{}", text.escape_ascii());
        }
        assert_eq!(items(b"[{\"a\":\"\xff\"},\n{\"a\":2}]"), ["1 Encoding", "2 {\"a\":2}"]);
    }
}
