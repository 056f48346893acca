//! A breach of one of the project's laws, and its place.

/// What is wrong, and where.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    pub(crate) place: String,
    pub(crate) text: String,
}

impl Violation {
    pub(crate) fn new(place: impl Into<String>, text: impl Into<String>) -> Self {
        Violation { place: place.into(), text: text.into() }
    }
}
