//! What can be read or changed of an object apart from its bytes: tags, locks, attributes, its key, its torrent.

pub(crate) mod attributes;
pub(crate) mod encryption;
pub(crate) mod legal_hold;
pub(crate) mod retention;
pub(crate) mod tagging;
pub(crate) mod torrent;
