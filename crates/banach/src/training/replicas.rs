//! Data-parallel training steps: copies of a module on several devices, and the sum of their gradients.

use crate::error::Error;
use banach_program::panics_as_messages;
use burn::module::Module;
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::tensor::{Device, Tensor};
use std::ops::Range;
use std::thread;

/// Copies of a module on several devices, each of which computes the gradient of a share of every mini-batch.
///
/// A step copies the parameters from the device of the module to all others, runs on all of them at once, a thread each, and
/// sums the gradients on the device of the module, where the optimizer then changes the parameters. The copies share what
/// clones of a layer share: traces, [`Statistics`](crate::Statistics) and [`WarmStarts`](crate::WarmStarts), so that counts are those of all devices
/// together, and a sample finds its last state on whichever device it is. Rows are solved alone, so that every row has the
/// solution it has on one device; gradients differ by the order in which rows are summed.
///
/// A loss that is a mean over rows must be weighted by the share: [`step`](Self::step) sums.
///
/// **Cost**: P parameters to every device other than that of the module, and P numbers back. Nothing moves between those
/// devices, so that a module in this process can be trained on several servers, all of which may be lost.
///
/// ```
/// use banach::Replicas;
/// use burn::nn::{Linear, LinearConfig};
/// use burn::optim::SgdConfig;
/// use burn::tensor::{Device, Tensor};
///
/// let devices = [Device::flex().autodiff(), Device::flex().autodiff()];
/// let mut network: Linear = LinearConfig::new(2, 1).init(&devices[0]);
/// let (z, y) = (Tensor::<2>::ones([5, 2], &devices[0]), Tensor::<2>::zeros([5, 1], &devices[0]));
///
/// let replicas = Replicas::new(devices)?;
/// let share = |rows: std::ops::Range<usize>| (z.clone().slice([rows.clone()]), y.clone().slice([rows]));
/// let shares = replicas.shares(5).into_iter().map(share).collect();
/// let (loss, gradients) = replicas.step(&network, shares, |network: &Linear, (z, y), device| {
///     let (z, y) = (z.to_device(device), y.to_device(device));
///     let weight = z.dims()[0] as f64 / 5.0;
///     (network.forward(z) - y).square().mean() * weight
/// })?;
/// network = SgdConfig::new().init().step(0.1, network, gradients);
/// assert!(loss > 0.0);
/// # Ok::<(), banach::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Replicas {
    devices: Vec<Device>,
}

impl Replicas {
    /// Creates replicas on training devices. A device may occur several times.
    ///
    /// # Errors
    /// [`Error::Setting`] without a device.
    pub fn new(devices: impl IntoIterator<Item = Device>) -> Result<Self, Error> {
        let devices: Vec<Device> = devices.into_iter().collect();
        if devices.is_empty() {
            return Err(Error::setting("devices", "none", "one device or more"));
        }
        Ok(Replicas { devices })
    }

    /// Returns the devices.
    pub fn devices(&self) -> &[Device] {
        &self.devices
    }

    /// Splits the rows of a mini-batch into shares for the devices, which differ by one row at most. A mini-batch of fewer
    /// rows than devices has one share for each row.
    pub fn shares(&self, rows: usize) -> Vec<Range<usize>> {
        let count = self.devices.len().min(rows).max(1);
        let first = |share: usize| share * rows / count;
        (0..count).map(|share| first(share)..first(share + 1)).collect()
    }

    /// Computes the loss of every share, the first on the first device, and returns the sum of the losses, and that of their
    /// gradients on the device of the module. `loss` receives the copy of the module, the share and the device.
    ///
    /// # Errors
    /// [`Error::Replica`] if a loss or its gradient panics, as it does when the server of its device is lost;
    /// [`Error::Setting`] for more shares than devices.
    pub fn step<M: Module + 'static, S: Send>(
        &self,
        module: &M,
        shares: Vec<S>,
        loss: impl Fn(&M, S, &Device) -> Tensor<1> + Sync,
    ) -> Result<(f64, GradientsParams), Error> {
        if shares.len() > self.devices.len() {
            let found = format!("{} shares", shares.len());
            return Err(Error::setting("shares", found, "at most one for each device"));
        }
        let main = module.devices().into_iter().next().unwrap_or_default().without_autodiff();
        let main = &main;
        let work = |position: usize, share: S, copy: M| {
            let device = &self.devices[position];
            let computed = panics_as_messages(|| {
                let copy = copy.fork(device);
                let loss = loss(&copy, share, device);
                let gradients = GradientsParams::from_grads(loss.backward(), &copy);
                // Read last: it waits for the device.
                let gradients = gradients.to_device(main, &copy);
                (loss.into_data().iter::<f64>().sum::<f64>(), gradients)
            });
            computed.map_err(|message| Error::Replica { position, device: format!("{device:?}"), message })
        };
        let work = &work;
        let results: Vec<Result<(f64, GradientsParams), Error>> = thread::scope(|scope| {
            let start = |(position, share)| {
                let copy = module.clone();
                scope.spawn(move || work(position, share, copy))
            };
            let running: Vec<_> = shares.into_iter().enumerate().map(start).collect();
            let ended = running.into_iter().map(|thread| match thread.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            ended.collect()
        });
        let (mut total, mut sum) = (0.0, GradientsAccumulator::new());
        for result in results {
            let (loss, gradients) = result?;
            total += loss;
            sum.accumulate(module, gradients);
        }
        Ok((total, sum.grads()))
    }
}
