//! How data leaves the process.
