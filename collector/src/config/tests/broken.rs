//! Broken configurations and what is said about each, to the letter.

use super::*;

mod components;
mod connectors;
mod exporters;
mod extensions;
mod from_the_collector;
mod pipelines;
mod processors;
mod receivers;
mod references;
mod sections;
mod syntax;
mod values;
