//! Buckets and web servers: `s3://`, `gs://`, `az://`, `abfss://` and `https://` behind `FROM`.
//!
//! What a query file may decide, and what not
//! - It decides which bucket is read, as it decides which folder is. It never holds a credential: those come from where
//!   the vendor's own tools take them, [`clients`] says which, and none is sent to a web server.
//! - Keys go to the endpoint that the operator named: by flag, environment or profile. A `SET` or a `postback.toml` may
//!   name one too, with `https` or on loopback, because S3's signature does not tell the secret; the endpoints of the
//!   other vendors, to which tokens travel, are taken from the environment alone.
//! - Plain `http` works on loopback, and for an S3 endpoint that the operator named.
//!
//! What holds
//! - Only objects that were listed are read, in the state in which they were listed: [`pinned`].
//! - Every wait has an end: 5 s to connect, 15 s for one try, 45 s for one request with all its tries, 60 s for
//!   one part of an object.
//! - No message holds a URL of a request, a header, or anything of an answer but the vendor's code: [`refusal`].

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use datafusion::execution::runtime_env::RuntimeEnv;
use datafusion::object_store::ObjectStore;
use url::Url;

pub(super) use self::folder::Folder;
pub(super) use self::location::Location;
use self::location::Vendor;
use self::pinned::PinnedStore;
use super::listing::Listed;
use crate::error::{Error, ErrorKind, Result};
use crate::settings::{Authorities, Origin, Settings, Variables};

mod clients;
mod folder;
mod heads;
mod listing;
mod location;
#[cfg(feature = "delta")]
mod objects;
mod pinned;
mod profile;
mod refusal;
mod transport;

/// How buckets are reached.
#[derive(Clone, Debug)]
pub struct Stores {
    variables: Variables,
    s3_endpoint: Option<(String, Origin)>,
    s3_region: Option<(String, Origin)>,
    aws_profile: Option<String>,
    /// Whose certificates are trusted beside the system's, or why nobody can tell.
    authorities: Arc<Result<Authorities>>,
    known: Arc<Mutex<HashMap<String, Arc<PinnedStore>>>>,
}

impl Default for Stores {
    fn default() -> Self {
        Self::of(&Settings::default())
    }
}

impl Stores {
    /// As `settings` and the environment they were read from say.
    #[must_use]
    pub fn of(settings: &Settings) -> Self {
        let given = |name: &str| settings.text(name).map(|value| (value.to_owned(), settings.origin(name)));
        Self {
            variables: settings.variables().clone(),
            s3_endpoint: given("s3_endpoint"),
            s3_region: given("s3_region"),
            aws_profile: settings.text("aws_profile").map(str::to_owned),
            authorities: Arc::new(Authorities::of(settings)),
            known: Arc::default(),
        }
    }

    /// The files behind `location`, whose store `runtime` knows from now on.
    ///
    /// # Errors
    /// [`ErrorKind::SourceMissing`] if there is none, [`ErrorKind::SourceUnreachable`] and [`ErrorKind::SourceRefused`] as
    /// the store says, [`ErrorKind::Usage`] for settings that do not reach one.
    pub(super) async fn list(&self, runtime: &RuntimeEnv, location: &Location) -> Result<Listed> {
        let (store, listed) = match &location.vendor {
            Vendor::Web { origin, query } => self.web_file(location, origin, query.as_deref()).await?,
            _ => self.objects(location).await?,
        };
        self.register(runtime, location, &store)?;
        Ok(listed)
    }

    /// Forgets what was listed: objects may have any state from now on.
    pub(super) fn forget(&self) {
        self.known().clear();
    }

    /// The folder that `location` names, if it holds the folder `inside`, which nobody may be allowed to list. `runtime`
    /// knows its store from now on.
    ///
    /// # Errors
    /// [`ErrorKind::Usage`] for settings that do not reach a store.
    pub(super) async fn folder(
        &self,
        runtime: &RuntimeEnv,
        location: &Location,
        inside: &str,
    ) -> Result<Option<Folder>> {
        let is_folder = !matches!(location.vendor, Vendor::Web { .. }) && !location.key.contains(['*', '?', '[']);
        if !is_folder {
            return Ok(None);
        }
        let asked = self.asked(location, async |store| Folder::new(Arc::clone(store), location).has(inside).await);
        match asked.await {
            Ok((store, true)) => {
                self.register(runtime, location, &store)?;
                Ok(Some(Folder::new(store, location)))
            }
            Ok((_, false)) => Ok(None),
            // What the store refuses is told by who reads.
            Err(error) if error.kind().is_of_source() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Makes `store`, of `location`, known to `runtime` and to those who ask for it again.
    fn register(&self, runtime: &RuntimeEnv, location: &Location, store: &Arc<PinnedStore>) -> Result<()> {
        let url = Url::parse(store.url())
            .map_err(|error| Error::new(ErrorKind::Internal, "a store has no usable URL").source(error))?;
        runtime.register_object_store(&url, Arc::clone(store) as _);
        self.known().insert(location.identity(), Arc::clone(store));
        Ok(())
    }

    async fn objects(&self, location: &Location) -> Result<(Arc<PinnedStore>, Listed)> {
        self.asked(location, async |store| listing::files(store, location).await).await
    }

    /// The store of `location`, and what it answers.
    async fn asked<T>(
        &self,
        location: &Location,
        ask: impl AsyncFn(&Arc<PinnedStore>) -> Result<T>,
    ) -> Result<(Arc<PinnedStore>, T)> {
        let known = self.known().get(&location.identity()).cloned();
        let store = match known {
            Some(store) => store,
            None => self.store(location, self.client(location, None)?, true),
        };
        let refused = match ask(&store).await {
            Ok(answer) => return Ok((store, answer)),
            Err(refused) => refused,
        };
        // A bucket says where it is; nobody has to know.
        let region = refused.contexts().iter().find(|(name, _)| *name == refusal::REGION);
        let Some((_, region)) = region.filter(|_| self.s3_region.is_none()) else { return Err(refused) };
        let store = self.store(location, self.client(location, Some(region))?, true);
        let answer = ask(&store).await?;
        Ok((store, answer))
    }

    async fn web_file(
        &self,
        location: &Location,
        origin: &str,
        query: Option<&str>,
    ) -> Result<(Arc<PinnedStore>, Listed)> {
        let client = clients::web(location, self, (origin, query), true)?;
        let (found, has_ranges) = listing::web_file(&client, location).await?;
        let client = if has_ranges { client } else { clients::web(location, self, (origin, query), false)? };
        let store = self.known().get(&location.identity()).cloned();
        let store = store.unwrap_or_else(|| self.store(location, client, has_ranges));
        let file = listing::file(&store, location, found)?;
        Ok((store, Listed { files: vec![file], is_named: true, ..Listed::default() }))
    }

    fn client(&self, location: &Location, region: Option<&str>) -> Result<Arc<dyn ObjectStore>> {
        match &location.vendor {
            Vendor::Google => clients::google(location, self),
            Vendor::Azure { account } => clients::azure(location, self, account.as_deref()),
            Vendor::Amazon | Vendor::Web { .. } => clients::amazon(location, self, region),
        }
    }

    /// A store that nobody knows yet, under a URL of its own.
    fn store(&self, location: &Location, client: Arc<dyn ObjectStore>, has_ranges: bool) -> Arc<PinnedStore> {
        let url = format!("bucket-{}://source", self.known().len());
        Arc::new(PinnedStore::new(client, location.clone(), url.into(), has_ranges))
    }

    /// The stores by what they are known by, also where a reader died while it held them: they are never half there.
    fn known(&self) -> MutexGuard<'_, HashMap<String, Arc<PinnedStore>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
