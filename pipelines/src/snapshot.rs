//! State and position, saved together.
