//! Word files.
//!
//! - **In**: what is shown, what a person chose, perhaps the office's own file.
//! - **Out**: a package that Word opens without repair; the same bytes for the same input.
//! - **Never**: names a person in the file's properties; unpacks more of a foreign file than is allowed.
//!
//! The XML is written here and not by a crate: a template needs the pieces of a body by themselves, a row that is repeated
//! on each page is needed for long tables, and no crate at hand gives both.

mod body;
mod package;
mod placeholders;
mod styles;
mod template;
#[cfg(test)]
mod tests;
mod xml;

pub(super) use template::filled;

use super::ExportError;
use super::options::Options;
use super::view::View;
use body::Body;

/// Writes a document of our own design.
pub(super) fn document(view: &View, options: &Options) -> Result<Vec<u8>, ExportError> {
    let mut body = Body::new(Some(options.font));
    body.headline(&view.headline());
    body.header(view);
    body.pieces(view, options);
    body.end(view, options);
    package::pack(&package::parts(view, options, &body.into_xml()))
}
