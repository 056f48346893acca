//! Traces of closures, recorded on a device that stores operations instead of computing them.

use crate::error::Error;
use crate::language::program::Program;
use crate::language::tensor_type::Type;
use crate::language::value::Value;
use crate::panics::{catch_silently, error_of_panic};
use crate::rewrite::simplify::simplify;
use crate::trace::lower::{RecordedCall, lower};
use burn::backend::ir::TensorId;
use burn::tensor::Device;
use std::cell::RefCell;
use std::sync::Mutex;

/// Traces a closure on tensors of the given types.
///
/// The closure receives placeholders on the recording device. Parameters of modules used inside must be on
/// this device too (`value.device()`); they become inputs. The recording device has the default dtypes of
/// `like`, the device for which the program is meant.
///
/// # Errors
/// Typed errors for operations outside the primitives, reads of values, foreign tensors and panics of the
/// closure.
pub fn trace(
    like: &Device,
    inputs: &[Type],
    closure: impl FnOnce(&[Value]) -> Result<Vec<Value>, Error>,
) -> Result<Program, Error> {
    let mut closure = Some(closure);
    let mut once = |placeholders: &[Value]| match closure.take() {
        Some(closure) => closure(placeholders),
        None => panic!("bug: a closure was traced twice"),
    };
    traced(like, inputs, &mut once)
}

/// A closure from inputs to outputs, without its type.
type Code<'a> = dyn FnMut(&[Value]) -> Result<Vec<Value>, Error> + 'a;

/// Traces a closure that is called once. One copy of this code serves all closures, which keeps programs small.
fn traced(like: &Device, inputs: &[Type], closure: &mut Code<'_>) -> Result<Program, Error> {
    let recorder = Recorder::take(like);
    let mut boundary: Result<(Vec<TensorId>, Vec<TensorId>), Error> = Ok((vec![], vec![]));
    RECORDING.with_borrow_mut(|stack| {
        stack.push(Recording { device: recorder.device.clone(), calls: vec![] });
    });
    let captured = catch_silently(|| {
        recorder.device.capture_scope(|scope| {
            let placeholders: Vec<Value> =
                inputs.iter().map(|ty| Value::full(ty, 0.0, &recorder.device)).collect();
            boundary = closure(&placeholders).and_then(|outputs| {
                let ids =
                    |values: Vec<Value>| values.into_iter().map(identity).collect::<Result<Vec<_>, _>>();
                Ok((ids(placeholders)?, ids(outputs)?))
            });
            scope.complete([], [])
        })
    });
    let recording = RECORDING.with_borrow_mut(Vec::pop);
    let captured = captured
        .map_err(|payload| error_of_panic(payload, inputs))?
        .map_err(|found| Error::Trace { found: found.to_string() })?;
    let (ids, outputs) = boundary?;
    let inputs: Vec<(TensorId, Type)> = ids.into_iter().zip(inputs.iter().cloned()).collect();
    let calls = recording.map_or_else(Vec::new, |recording| recording.calls);
    lower(&captured.graph, captured.values, &inputs, &outputs, calls).map(|program| simplify(&program))
}

/// Records a call of a program on placeholders of the trace under way. The program is inlined into the traced
/// one, and nothing is executed.
///
/// # Errors
/// [`Error::Count`] and [`Error::Mismatch`] for inputs that do not fit, [`Error::ForeignTensor`] for tensors that do
/// not belong to the innermost trace of this thread.
pub fn record(program: &Program, inputs: &[Value]) -> Result<Vec<Value>, Error> {
    crate::run::evaluate::check_inputs(program, inputs)?;
    let outside =
        || Error::ForeignTensor { found: "a recorded call outside the trace its tensors belong to".into() };
    let ids = inputs.iter().cloned().map(identity).collect::<Result<Vec<_>, _>>()?;
    let device = RECORDING.with_borrow(|stack| stack.last().map(|recording| recording.device.clone()));
    let device = device.ok_or_else(outside)?;
    if inputs.iter().any(|value| value.device() != device) {
        return Err(outside());
    }
    let outputs: Vec<Value> = program.output_types().map(|ty| Value::full(ty, 0.0, &device)).collect();
    let results = outputs.iter().cloned().map(identity).collect::<Result<Vec<_>, _>>()?;
    let call = RecordedCall { program: program.clone(), inputs: ids, outputs: results };
    RECORDING.with_borrow_mut(|stack| stack.last_mut().map(|recording| recording.calls.push(call)));
    Ok(outputs)
}

/// The recording device and the recorded program calls of a trace under way.
struct Recording {
    device: Device,
    calls: Vec<RecordedCall>,
}

thread_local! {
    /// The traces under way on this thread, the innermost last.
    static RECORDING: RefCell<Vec<Recording>> = const { RefCell::new(Vec::new()) };
}

/// A recording device. Devices are reused because their number is limited.
struct Recorder {
    device: Device,
}

static IDLE: Mutex<Vec<Device>> = Mutex::new(Vec::new());

impl Recorder {
    fn take(like: &Device) -> Self {
        let mut idle = IDLE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let wanted = like.settings();
        let fits = |device: &Device| {
            let settings = device.settings();
            settings.float_dtype == wanted.float_dtype && settings.int_dtype == wanted.int_dtype
        };
        if let Some(position) = idle.iter().position(fits) {
            return Recorder { device: idle.swap_remove(position) };
        }
        let device = Device::capture();
        let mut own = device.clone();
        // Defaults can be set only while something is recorded, and only once.
        let _ = device.capture_scope(|scope| {
            let _ = own.configure((wanted.float_dtype, wanted.int_dtype));
            scope.complete([], [])
        });
        Recorder { device }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        let mut idle = IDLE.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        idle.push(self.device.clone());
    }
}

fn identity(value: Value) -> Result<TensorId, Error> {
    let found = value.ty().to_string();
    value.recorded_id().map_err(|error| Error::ForeignTensor { found: format!("{found}: {error}") })
}
