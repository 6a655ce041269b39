//! The list of processors.
