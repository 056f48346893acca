//! Conversion of panics in traced code to typed errors that name the operation where a backtrace tells it.

use crate::error::Error;
use crate::language::tensor_type::{Kind, Type};
use std::any::Any;
use std::backtrace::Backtrace;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static TRACING: Cell<bool> = const { Cell::new(false) };
    /// The tensor operation in which the last panic of traced code arose.
    static OPERATION: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs a closure and returns its panic as a value, without printing the panic.
pub(crate) fn catch_silently<T>(closure: impl FnOnce() -> T) -> std::thread::Result<T> {
    let before = begin();
    let result = catch_unwind(AssertUnwindSafe(closure));
    TRACING.set(before);
    result
}

/// Keeps panics of this thread from being printed, and returns whether they were kept before.
fn begin() -> bool {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if TRACING.get() {
                let found = operation_of(&Backtrace::force_capture().to_string());
                OPERATION.set(found);
            } else {
                previous(info);
            }
        }));
    });
    let before = TRACING.replace(true);
    OPERATION.set(None);
    before
}

/// Runs tensor code on inputs of the given types, and converts a panic to an error of one line.
///
/// # Errors
/// [`Error::Operands`] for operands that an operation refuses, [`Error::Panicked`] for other panics, as for traced code.
pub fn panics_as_errors<T>(inputs: &[Type], code: impl FnOnce() -> T) -> Result<T, Error> {
    catch_silently(code).map_err(|payload| error_of_panic(payload, inputs))
}

/// Runs code, and returns the message of its panic in one line, without printing the panic.
///
/// # Errors
/// The message.
pub fn panics_as_messages<T>(code: impl FnOnce() -> T) -> Result<T, String> {
    catch_silently(code).map_err(|payload| message_of(payload.as_ref()))
}

/// Finds the innermost tensor operation of Burn in a backtrace, since Burn's checks do not name it. `None` in
/// a binary without symbols.
fn operation_of(backtrace: &str) -> Option<String> {
    let rooms = ["burn_router::ops", "burn_dispatch::ops", "burn_tensor::tensor"];
    let frames = backtrace.lines().filter(|frame| rooms.iter().any(|room| frame.contains(room)));
    let names = frames.map(|frame| {
        // `12: burn_router::ops::tensor::<impl burn_backend::.. for burn_router::..>::float_matmul`
        let parts = frame.trim().rsplit("::");
        { parts }.find(|part| !(part.starts_with('h') && part.len() == 17)).unwrap_or_default()
    });
    let plain = |name: &&str| {
        let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        !name.is_empty()
            && name.chars().all(letters)
            && !name.starts_with("unwrap")
            && !name.contains("check")
    };
    let name = { names }.find(plain)?;
    let name = ["float_", "int_", "bool_"].iter().find_map(|kind| name.strip_prefix(kind)).unwrap_or(name);
    Some(name.strip_suffix("_impl").unwrap_or(name).to_owned())
}

/// Joins the words of a text to one line.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the message of a panic in one line.
pub(crate) fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    one_line(text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("no message"))
}

/// Converts a panic of code traced for inputs of the given types to an error. A panic with an [`Error`] is
/// that error.
pub(crate) fn error_of_panic(payload: Box<dyn Any + Send>, inputs: &[Type]) -> Error {
    let payload = match payload.downcast::<Error>() {
        Ok(error) => return *error,
        Err(payload) => payload,
    };
    let message = message_of(payload.as_ref());
    let operation = OPERATION.take();
    let has = |part: &str| message.contains(part);
    if has("no concrete value") || has("has no initialized value") {
        return Error::HostRead { found: message };
    }
    let of_another_device =
        ["capture device", "same device", "different devices", "backend mismatch", "wrong backend"];
    if of_another_device.into_iter().any(has) {
        return Error::ForeignTensor { found: message };
    }
    let between = |start: &str, end: &str| {
        let rest = message.split_once(start)?.1;
        Some(rest.split_once(end).map_or(rest, |(inside, _)| inside).trim().to_owned())
    };
    if has("DTypeMismatch") {
        return Error::Operands {
            operation: operation.unwrap_or_else(|| "an operation of two tensors".into()),
            position: None,
            found: format!("tensors of two dtypes, in code traced for {}", list_types(inputs)),
            expected: "one dtype: cast one of them".into(),
        };
    }
    if let (Some(named), Some(found)) = (between("Operation: '", "'"), between("Reason:", "=== ")) {
        let expected = "operands that fit".into();
        return Error::Operands { operation: named, position: None, found, expected };
    }
    match operation {
        Some(operation) => {
            let found = format!("{message} (in code traced for {})", list_types(inputs));
            Error::Operands { operation, position: None, found, expected: "operands that fit".into() }
        }
        None => Error::Panicked { message },
    }
}

/// Lists types, separated by commas.
pub(crate) fn list_types(types: &[Type]) -> String {
    let names: Vec<String> = types.iter().map(Type::to_string).collect();
    names.join(", ")
}

/// Returns whether the types include floats of two precisions.
pub(crate) fn has_mixed_floats(types: &[Type]) -> bool {
    let mut floats = types.iter().map(|ty| ty.kind).filter(|kind: &Kind| kind.is_float());
    floats.next().is_some_and(|first| floats.any(|kind| kind != first))
}
