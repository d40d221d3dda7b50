//! AWS Key Management Service: keys that never leave the platform, and what is done with them.

pub mod shapes;
