//! Canonical forms and digests of identifiers.
