//! The lists of objects.
