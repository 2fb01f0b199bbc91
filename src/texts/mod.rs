//! What people read, apart from the code: a Fluent file for each language (<https://projectfluent.org>), one set
//! beside the pages and one in each provider's folder. A text is asked for by its key.
//!
//! A key that a language lacks is a defect, which tests find: see `complete.rs`.

mod catalogue;
#[cfg(test)]
mod complete;
mod language;

pub use catalogue::{Catalogue, Catalogues, Source};
pub use fluent_bundle::FluentValue;
pub use language::Language;
