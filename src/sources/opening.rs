//! From locations to a table: files are listed, recognised, and opened together.

use std::sync::Arc;
use std::{mem, slice};

use datafusion::catalog::TableProvider;
use datafusion::error::DataFusionError;
use datafusion::execution::context::SessionState;
use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::physical_plan::execute_stream;
use futures::stream::{self, StreamExt, TryStreamExt};

use super::crossing;
use super::declared::{Declared, Given};
use super::file::{SourceFile, unreadable};
use super::listing::{self, Listed};
use super::manifest::Manifest;
use super::partitions::Partitions;
use super::recognise::{self, Format, Recognised};
use super::report::{self, Inferred, Note, SourceReport};
use super::root::Root;
use super::streamed::StreamedFiles;
use super::{
    AT_ONCE, Opened, Sources, Unread, blocking, delimited, delta, described, header, json, lake, names, parquet,
    shards, stdin, stores,
};
use crate::error::{Error, ErrorKind, Result};

/// The files of a location by what they turned out to be.
struct Sorted {
    /// What the readable ones are.
    recognised: Recognised,
    readable: Vec<SourceFile>,
    /// Files without content.
    empty: u64,
    /// Files that are left out, each with the reason.
    bad: Vec<(SourceFile, Error)>,
}

/// What a table is opened with, beside its files.
#[derive(Clone)]
struct Opening<'a> {
    state: &'a SessionState,
    /// How messages name the location.
    shown: &'a str,
    format: Format,
    declared: Option<&'a Declared>,
    /// Where rows are noted that cannot be read.
    unread: &'a Arc<Unread>,
}

impl Sources {
    /// Opens the files behind `locations` as one table of the session.
    ///
    /// # Errors
    /// [`ErrorKind::Source`], naming the file, if they are of several formats or of none known, if they hold no row, or if
    /// they cannot be read; [`ErrorKind::SourceMissing`] if there is none, and as a store refuses.
    pub async fn open(
        &self,
        state: &SessionState,
        locations: &[String],
        declared: Option<&Declared>,
    ) -> Result<Arc<dyn TableProvider>> {
        let is_table = declared.is_some_and(Declared::is_table);
        for location in locations {
            if let Some(root) = self.root(state.runtime_env(), location, is_table).await? {
                return Box::pin(self.open_table(state, &root, locations, declared)).await;
            }
        }
        let shown = locations.join("`, `");
        if is_table {
            let message = format!("`{shown}` is no Delta Lake table: it has no folder `{}`", lake::DELTA_LOG);
            return Err(Error::new(ErrorKind::Source, message)
                .hint("name the root folder of the table, in which the folder of the log lies"));
        }
        let Listed { files, mut notes, table, .. } = self.list(state.runtime_env(), locations).await?;
        // The one place that decides what becomes of the files of a table format, wherever they lie.
        if let Some(table) = table {
            notes.push(table.as_files(self.options.plain_lake_files)?);
        }
        let mut sorted = self.sorted(files.clone(), &shown, declared).await?;
        let format = format(&sorted, &shown, declared)?;
        if sorted.recognised.is_encoding_assumed {
            notes.push(Note::encoding_assumed(&sorted.readable));
        }
        if declared.is_none_or(|declared| declared.given.skip_lines.is_none()) {
            notes.extend(Note::delimiter_named(&sorted.readable));
        }
        let opening = Opening { state, shown: &shown, format, declared, unread: &self.unread };
        if self.options.skip_bad_files {
            self.leave_out_bad(&opening, &mut sorted).await?;
        }
        let table = self.table(&opening, &sorted.readable, &mut notes).await?;
        let table = table.ok_or_else(|| no_rows(&shown))?;
        let mut report = SourceReport::new(locations, &opening.format, &sorted.readable);
        report.empty_files = sorted.empty;
        report.notes = notes;
        let columns = table.schema();
        let in_files: Vec<String> = columns.fields().iter().map(|field| field.name().clone()).collect();
        report.notes.extend(names::notes(&in_files));
        let table = match declared.and_then(|declared| declared.columns.as_ref()) {
            Some(columns) => names::declared(table, columns),
            None => names::shown(table),
        };
        report.columns = report::columns(&table.schema());
        for (file, error) in sorted.bad {
            self.unread.file(file.shown(), file.meta.size, error.message().to_owned());
            let message = format!("`{}` is left out: {error}", file.shown());
            report.notes.push(Note { code: None, message, help: error.hint_text().map(str::to_owned) });
        }
        self.note_opened(Opened { report, locations: locations.to_vec(), files, table: None, appeared: Vec::new() });
        Ok(table)
    }

    /// The root of the Delta Lake table that `location` names, unless files of a table are read as they are and none is
    /// asked for.
    pub(super) async fn root(&self, runtime: &RuntimeEnv, location: &str, is_table: bool) -> Result<Option<Root>> {
        if stdin::is_meant(location) || self.options.plain_lake_files && !is_table {
            return Ok(None);
        }
        Root::of(&self.options, runtime, location).await
    }

    /// Opens the table whose root is `root`.
    async fn open_table(
        &self,
        state: &SessionState,
        root: &Root,
        locations: &[String],
        declared: Option<&Declared>,
    ) -> Result<Arc<dyn TableProvider>> {
        let shown = root.shown();
        let refuse = |message: String, hint: String| Err(Error::new(ErrorKind::Source, message).hint(hint));
        if locations.len() > 1 {
            return refuse(
                format!("`{shown}` is {}, which no other location can be added to", lake::Kind::Delta),
                "read them as two tables".to_owned(),
            );
        }
        if let Some(declared) = declared.filter(|declared| !declared.is_table()) {
            return refuse(
                format!("`{shown}` is {}, not {}", lake::Kind::Delta, declared.stored_as),
                format!("say STORED AS DELTA, without columns, or name it in the query: FROM '{shown}'"),
            );
        }
        let at = declared.map(|declared| declared.at).unwrap_or_default();
        // What a run opens again is what it opened first.
        let known = self
            .opened()
            .iter()
            .find(|opened| opened.locations == locations)
            .and_then(|known| known.table.clone().filter(|table| table.is_asked_for(at)));
        let table = if let Some(table) = known {
            table
        } else {
            let skips = self.options.skip_bad_files;
            delta::Table::open(state, root, at, skips, &self.unread, &self.of_bytes()).await?
        };
        let report = table.report(locations);
        let columns = names::shown(table.provider());
        let report = SourceReport { columns: report::columns(&columns.schema()), ..report };
        let (locations, files) = (locations.to_vec(), table.files());
        self.note_opened(Opened { report, locations, files, table: Some(table), appeared: Vec::new() });
        Ok(columns)
    }

    /// Notes what was opened, in place of what was opened there before; states of a table stand side by side.
    fn note_opened(&self, new: Opened) {
        let is_other = |known: &Opened| {
            let is_other_state = known.table.is_some() && known.report.recognised != new.report.recognised;
            known.report.location != new.report.location || is_other_state
        };
        let mut opened = self.opened();
        opened.retain(is_other);
        opened.push(new);
    }

    /// `files`, called `shown`, by what they turned out to be.
    async fn sorted(&self, files: Vec<SourceFile>, shown: &str, declared: Option<&Declared>) -> Result<Sorted> {
        let given = declared.map_or_else(Given::default, |declared| declared.given.clone());
        let mut recognised: Option<(Recognised, SourceFile, bool)> = None;
        let (mut readable, mut empty, mut bad) = (Vec::new(), 0, Vec::new());
        for (file, this) in recognise(files, &given).await {
            let this = match this {
                Err(error) if self.options.skip_bad_files && error.kind() == ErrorKind::Source => {
                    bad.push((file, error));
                    continue;
                }
                this => this?,
            };
            let Some(this) = this else {
                empty += 1;
                continue;
            };
            let has_header = has_header(&file, shown, &this, declared)?;
            match &mut recognised {
                Some((first, first_file, first_header)) => {
                    let before = first.format.clone();
                    if !first.agree(&this, &given) {
                        let message = format!("`{shown}` mixes formats: {before} and {}", this.format);
                        return Err(Error::new(ErrorKind::Source, message)
                            .context("file", first_file.shown())
                            .context("file", file.shown())
                            .hint("read them as two tables"));
                    }
                    if has_header != *first_header {
                        return Err(header::differ(first_file, *first_header, &file));
                    }
                }
                None => recognised = Some((this, file.clone(), has_header)),
            }
            readable.push(file);
        }
        let Some((mut recognised, _, has_header)) = recognised else {
            return Err(bad.into_iter().next().map_or_else(
                || {
                    Error::new(ErrorKind::Source, format!("`{shown}` is empty"))
                        .context("files", empty)
                        .hint("an export without a byte is not zero rows: check that it was written")
                },
                |(_, error)| error,
            ));
        };
        if let Format::Csv(dialect) = &mut recognised.format {
            dialect.has_header = has_header;
        }
        Ok(Sorted { recognised, readable, empty, bad })
    }

    /// Moves the readable files that are not whole to the bad ones: each is read from its first byte to its last.
    ///
    /// # Errors
    /// That of a bad file where none is whole; as a store refuses.
    async fn leave_out_bad(&self, opening: &Opening<'_>, sorted: &mut Sorted) -> Result<()> {
        let verify = |file: SourceFile| async move {
            let whole = self.verify_whole(opening, &file).await;
            (file, whole)
        };
        let files = mem::take(&mut sorted.readable);
        let mut verified = stream::iter(files).map(verify).buffered(AT_ONCE);
        while let Some((file, whole)) = verified.next().await {
            match whole {
                Ok(()) => sorted.readable.push(file),
                Err(error) if error.kind() == ErrorKind::Source => sorted.bad.push((file, error)),
                Err(error) => return Err(error),
            }
        }
        drop(verified);
        // A bad file alone is no file among others.
        if sorted.readable.is_empty()
            && let Some((_, error)) = sorted.bad.pop()
        {
            return Err(error);
        }
        Ok(())
    }

    /// Reads `file` to its end, as it is read later.
    ///
    /// # Errors
    /// [`ErrorKind::Source`] if that is not where it ends.
    async fn verify_whole(&self, opening: &Opening<'_>, file: &SourceFile) -> Result<()> {
        if opening.format == Format::Parquet {
            return parquet::verify(opening.state, file).await;
        }
        let rows_aside = Arc::default();
        let alone = Opening { shown: file.shown(), declared: None, unread: &rows_aside, ..opening.clone() };
        let Some(table) = self.table(&alone, slice::from_ref(file), &mut Vec::new()).await? else { return Ok(()) };
        let read = async {
            let plan = table.scan(opening.state, None, &[], None).await?;
            let mut batches = execute_stream(plan, opening.state.task_ctx())?;
            while batches.try_next().await?.is_some() {}
            Ok(())
        };
        read.await.map_err(|error: DataFusionError| unreadable(file.shown(), error))
    }

    /// The table of `files`; what there is to know is added to `notes`. `None` if none of them has a row.
    async fn table(
        &self,
        opening: &Opening<'_>,
        files: &[SourceFile],
        notes: &mut Vec<Note>,
    ) -> Result<Option<Arc<dyn TableProvider>>> {
        let Opening { state, shown, format, declared, unread } = opening;
        let columns = declared.and_then(|declared| declared.columns.clone());
        let of_folders = declared.map_or_else(Vec::new, |declared| declared.partitions.clone());
        if *format == Format::Parquet {
            let of_bytes = &self.of_bytes();
            let opening = parquet::Opening { state, shown, columns, of_folders: &of_folders, of_bytes, unread };
            return opening.table(files, notes).await;
        }
        let (mut sampled, inferred_of, given) = (files.to_vec(), format.clone(), columns.clone());
        let inferred = blocking(move || {
            let inferred = match &inferred_of {
                Format::Csv(dialect) => delimited::infer(&mut sampled, dialect, given.as_deref()),
                Format::Arrow | Format::Avro => described::infer(&sampled, &inferred_of, given.as_deref()),
                format => json::infer(&sampled, format, given.as_deref()),
            };
            Ok((inferred?, sampled))
        });
        // What was learnt of the files is known when they are read.
        let (Some(inferred), files) = inferred.await? else { return Ok(None) };
        let files = files.as_slice();
        let Inferred { schema, notes: assumed } = inferred;
        notes.extend(assumed);
        let in_files = schema.clone();
        let columns = match (columns, format) {
            (None, _) | (_, Format::Csv(_)) => Arc::new(schema),
            (Some(declared), _) => names::spelled(&declared, &schema),
        };
        if matches!(format, Format::Arrow | Format::Avro)
            && let Some((field, found)) = crossing::first(&columns, &in_files)
        {
            return Err(crossing::refused(&files[0], field, found));
        }
        let partitions = Partitions::of(files, &columns, &of_folders)?;
        let unread = Arc::clone(unread);
        Ok(Some(Arc::new(StreamedFiles::new(format.clone(), columns, files, partitions, unread))))
    }

    /// The files behind `locations`, which are on this machine or in one bucket, and those that a manifest among them lists.
    ///
    /// # Errors
    /// [`ErrorKind::SourceMissing`] if there is none; as a store refuses.
    pub(super) async fn list(&self, runtime: &RuntimeEnv, locations: &[String]) -> Result<Listed> {
        let mut all = Listed::default();
        for location in locations {
            let mut listed = self.found(runtime, location).await?;
            let manifest = match listed.files.first().filter(|_| listed.is_named) {
                Some(file) => {
                    let file = file.clone();
                    blocking(move || Ok(Manifest::of(&file)?.map(|manifest| (manifest, file)))).await?
                }
                None => None,
            };
            match manifest {
                Some((manifest, list)) => listed = self.listed_by(runtime, &manifest, &list).await?,
                None => listed.notes.extend(shards::notes(&listed.files)),
            }
            all.files.append(&mut listed.files);
            all.notes.append(&mut listed.notes);
            all.table = all.table.or(listed.table);
        }
        let other = all.files.iter().find(|file| file.store() != all.files[0].store());
        if let Some(other) = other {
            return Err(Error::new(ErrorKind::Source, "the locations of a table lie in several places")
                .context("file", all.files[0].shown())
                .context("file", other.shown())
                .hint("read them as two tables"));
        }
        Ok(all)
    }

    /// The files behind `location`.
    async fn found(&self, runtime: &RuntimeEnv, location: &str) -> Result<Listed> {
        let mut listed = if let Some(remote) = stores::Location::parse(location)? {
            self.options.stores.list(runtime, &remote).await?
        } else {
            let (options, location) = (self.options.clone(), location.to_owned());
            blocking(move || listing::local(&options, &location)).await?
        };
        // The folders of a table are its own business, unless its files are plain files.
        match listed.foreign.take().filter(|_| listed.table.is_none() || self.options.plain_lake_files) {
            Some(error) => Err(error),
            None => Ok(listed),
        }
    }

    /// The files that `manifest` names, which stands in `list`.
    async fn listed_by(&self, runtime: &RuntimeEnv, manifest: &Manifest, list: &SourceFile) -> Result<Listed> {
        let mut listed = Listed::default();
        let message = format!("the manifest `{}` lists {} files", list.shown(), manifest.entries.len());
        listed.notes.push(Note { code: None, message, help: None });
        let found = manifest.entries.iter().map(|entry| {
            let location = entry.location(list);
            async move { (entry, self.found(runtime, &location).await) }
        });
        let mut found = stream::iter(found.collect::<Vec<_>>()).buffered(AT_ONCE);
        while let Some((entry, found)) = found.next().await {
            match found {
                Ok(Listed { files, table, .. }) => {
                    files.iter().try_for_each(|file| entry.judge(file, list))?;
                    listed.files.extend(files);
                    listed.table = listed.table.or(table);
                }
                Err(error) if entry.mandatory || error.kind() != ErrorKind::SourceMissing => {
                    return Err(error.context("manifest", list.shown()));
                }
                Err(error) => listed.notes.push(Note {
                    code: None,
                    message: format!("{error}; the manifest does not call it mandatory"),
                    help: None,
                }),
            }
        }
        Ok(listed)
    }
}

/// The error of a source without a row.
pub(super) fn no_rows(shown: &str) -> Error {
    Error::new(ErrorKind::Source, format!("`{shown}` has no rows"))
        .hint("an export without a row is not zero events: check the export, or take the source out of the query")
}

/// The format of the readable files, which must be the declared one.
fn format(sorted: &Sorted, shown: &str, declared: Option<&Declared>) -> Result<Format> {
    let format = sorted.recognised.format.clone();
    match declared {
        Some(declared) if !format.is_called(&declared.stored_as) => {
            let message = format!("`{shown}` is stored as {format}, not as {}", declared.stored_as);
            Err(Error::new(ErrorKind::Source, message))
        }
        _ => Ok(format),
    }
}

/// Whether the first record of `file`, which was recognised as `this`, names its columns; as is declared, or else as it looks.
fn has_header(file: &SourceFile, shown: &str, this: &Recognised, declared: Option<&Declared>) -> Result<bool> {
    header::refuse_lines_above(file, shown, &this.signs, declared.is_some())?;
    let Some(declared) = declared else { return header::is_header(file, shown, &this.signs, None) };
    match declared.given.has_header {
        Some(has_header) => Ok(has_header),
        None if matches!(this.format, Format::Csv(_)) && this.format.is_called(&declared.stored_as) => {
            header::is_header(file, shown, &this.signs, declared.columns.as_deref())
        }
        None => Ok(true),
    }
}

/// What each file turned out to be, or why nobody can tell; none for one without content.
async fn recognise(files: Vec<SourceFile>, given: &Given) -> Vec<(SourceFile, Result<Option<Recognised>>)> {
    let count = files.len();
    let recognise = |file: SourceFile| async move {
        let (mut looked_at, given) = (file.clone(), given.clone());
        let found = blocking(move || {
            let found = recognise::recognise(&mut looked_at, count, &given)?;
            Ok((looked_at, found))
        });
        match found.await {
            Ok((file, found)) => (file, Ok(found)),
            Err(error) => (file, Err(error)),
        }
    };
    stream::iter(files).map(recognise).buffered(AT_ONCE).collect().await
}
