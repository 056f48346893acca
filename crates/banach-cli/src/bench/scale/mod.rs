//! How the cost of a solve grows with batch, width, channels, image size, steps and threads, beside the roofs of the
//! machine.
//!
//! The roofline of S. Williams, A. Waterman and D. Patterson (Communications of the ACM 52, 2009): work with so many
//! operations for a byte from memory is done at most at the rate of products, and at most as fast as memory delivers.

mod cost;
mod roofs;
mod work;

use super::conv::Size;
use super::journal::Journal;
use super::measurement::short;
use crate::error::Error;
use crate::options::Measuring;
use crate::report::folder::{Contents, ResultsFolder};
use crate::report::plane::{Places, Plane};
use crate::terminal::output::tell;
use banach::program::parallel_operations;
use clap::Args;
use roofs::{BYTES, OPERATIONS, RATE, Roofs, billions_a_second};
use std::path::PathBuf;
use work::Work;

const PICTURE: &str = "roofline.svg";
const CONTENTS: Contents =
    Contents { command: "bench scale", experiment: None, files: &[PICTURE], folders: &[] };
const REPEATS: usize = 7;
const WARM_UP: usize = 1;
/// The sizes of the points of every sweep, over two decades.
const FACTORS: [usize; 5] = [1, 3, 10, 32, 100];
/// Points that reach less than this share of their roof are named.
const LOW: f64 = 0.5;

/// The arguments of `banach bench scale`.
#[derive(Args, Debug)]
pub(crate) struct ScaleArguments {
    /// Folder for the picture, roofline.svg.
    #[arg(long, value_name = "DIR", default_value = "out/bench-scale")]
    out: PathBuf,
    #[command(flatten)]
    measuring: Measuring,
}

/// A quantity that grows while the others stay.
#[derive(Clone, Copy, Debug)]
struct Sweep {
    name: &'static str,
    of: fn(usize) -> Work,
}

const SWEEPS: [Sweep; 5] = [
    Sweep { name: "batch", of: |factor| Work::Dense { batch: 4 * factor, width: 256, count: 10 } },
    Sweep { name: "width", of: |factor| Work::Dense { batch: 64, width: 16 * factor, count: 10 } },
    Sweep { name: "channels", of: |factor| images(2 * factor, 4, 32) },
    Sweep { name: "side", of: |factor| images(16, 2, 4 * factor) },
    Sweep { name: "steps", of: |factor| Work::Dense { batch: 64, width: 256, count: factor } },
];

/// What is solved by one core, two, and so on up to all.
const SPREAD: [fn() -> Work; 2] =
    [|| Work::Dense { batch: 256, width: 512, count: 10 }, || images(48, 16, 64)];

fn images(channels: usize, batch: usize, side: usize) -> Work {
    Work::Images(Size { channels, batch, side, count: 10 })
}

impl Sweep {
    /// The settings and the solves.
    fn points(self) -> impl Iterator<Item = (String, Work)> {
        FACTORS.into_iter().map(move |factor| {
            let work = (self.of)(factor);
            (format!("{} {}", self.name, work.sizes()), work)
        })
    }
}

/// A measured point of a sweep.
struct Point {
    sweep: &'static str,
    setting: String,
    operations_per_byte: f64,
    rate: f64,
    /// The rate as a share of the roof.
    share: f64,
}

/// Runs `banach bench scale`.
pub(crate) fn bench(arguments: &ScaleArguments) -> Result<(), Error> {
    let measuring = arguments.measuring.on_the_cpu()?;
    if let Some(backward) = measuring.backward {
        return Err(Error::Setting {
            found: format!("--backward {}", backward.as_str()),
            expected: "no --backward".into(),
            advice: "forward solves are measured; leave --backward out".into(),
        });
    }
    let mut journal = Journal::new("scale", measuring)?;
    let settings = SWEEPS.into_iter().flat_map(Sweep::points).map(|(setting, _)| setting);
    let spread: Vec<(usize, Work, String)> = spread().collect();
    if !settings.chain(spread.iter().map(|(_, _, setting)| setting.clone())).any(|name| journal.wants(&name))
    {
        return journal.close();
    }
    let folder = ResultsFolder::open(&arguments.out, CONTENTS)?;
    // Measured once a process, and on all cores.
    parallel_operations();
    let roofs = Roofs::measured(&mut journal)?;
    let mut points = vec![];
    for sweep in SWEEPS {
        for (setting, work) in sweep.points() {
            if journal.wants(&setting) {
                points.push(measured(&mut journal, sweep.name, setting, work, roofs)?);
            }
        }
    }
    let mut alone = 0.0;
    for (threads, work, setting) in spread {
        if journal.wants(&setting) {
            let ms = on_threads(&mut journal, &setting, work, threads, alone)?;
            alone = if threads == 1 { ms } else { alone };
        }
    }
    picture(&points, roofs).draw(&folder.path().join(PICTURE))?;
    if !measuring.verbosity.quiet {
        tell(format_args!("{PICTURE} is in {}", arguments.out.display()));
    }
    let table = journal.lined_up();
    journal.close_with(&format!("{table}\n\n{}", remarks(&points)))
}

fn measured(
    journal: &mut Journal<'_>,
    sweep: &'static str,
    setting: String,
    work: Work,
    roofs: Roofs,
) -> Result<Point, Error> {
    let prepared = work.prepared(journal.measuring.engine)?;
    let cost = prepared.cost(work.count())?;
    let timing = journal.median_ms(REPEATS, WARM_UP, || prepared.solve())?;
    let (rate, operations_per_byte) =
        (billions_a_second(cost.operations, timing.ms), cost.operations_per_byte());
    let share = rate / roofs.at(operations_per_byte);
    let line = journal.measurement(&setting, None, timing, work.count() as f64);
    let line = line.with(OPERATIONS, cost.operations).with(BYTES, cost.bytes);
    let line = line.with("operations_per_byte", operations_per_byte).with(RATE, rate);
    journal.write(line.with("share_of_roof", share))?;
    Ok(Point { sweep, setting, operations_per_byte, rate, share })
}

/// The numbers of threads, the solves and their settings: powers of two, and all.
fn spread() -> impl Iterator<Item = (usize, Work, String)> {
    let all = rayon::current_num_threads();
    let powers = std::iter::successors(Some(1), |threads| Some(2 * threads));
    let counts: Vec<usize> = powers.take_while(|threads| *threads < all).chain([all]).collect();
    SPREAD.into_iter().flat_map(move |work| {
        let setting = move |threads: usize| format!("threads {threads} of {all} {}", work().sizes());
        counts.clone().into_iter().map(move |threads| (threads, work(), setting(threads)))
    })
}

/// Measures a solve on some threads, where one alone takes `alone` milliseconds; returns its own.
fn on_threads(
    journal: &mut Journal<'_>,
    setting: &str,
    work: Work,
    threads: usize,
    alone: f64,
) -> Result<f64, Error> {
    let prepared = work.prepared(journal.measuring.engine)?;
    let cost = prepared.cost(work.count())?;
    let timing = if threads == rayon::current_num_threads() {
        // From outside of the pool, as a program calls it.
        journal.median_ms(REPEATS, WARM_UP, || prepared.solve())?
    } else {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let pool = pool.map_err(|error| Error::Training(format!("{threads} threads: {error}")))?;
        journal.median_ms(REPEATS, WARM_UP, || pool.install(|| prepared.solve()))?
    };
    let mut line = journal.measurement(setting, None, timing, work.count() as f64);
    line = line.with(RATE, billions_a_second(cost.operations, timing.ms)).with("threads", threads);
    if threads == 1 {
        line = line.with("efficiency", 1.0);
    } else if alone > 0.0 {
        line = line.with("efficiency", alone / timing.ms / threads as f64);
    }
    journal.write(line)?;
    Ok(timing.ms)
}

/// The points below the roofs.
fn picture(points: &[Point], roofs: Roofs) -> Plane {
    let works = || points.iter().map(|point| point.operations_per_byte);
    let ridge = roofs.all_cores / roofs.bandwidth;
    let (low, high) = (works().fold(ridge / 4.0, f64::min), works().fold(ridge * 4.0, f64::max));
    let roof = |name: String, rate: f64| {
        let ridge = rate / roofs.bandwidth;
        let places = vec![(low, low * roofs.bandwidth), (ridge, rate), (high, rate)];
        Places { name, places }
    };
    let groups = SWEEPS.iter().map(|sweep| {
        let own = points.iter().filter(|point| point.sweep == sweep.name);
        let places = own.map(|point| (point.operations_per_byte, point.rate)).collect();
        Places { name: sweep.name.into(), places }
    });
    Plane {
        title: format!("forward solves, and memory with {} GB/s", short(roofs.bandwidth)),
        axes: ["operations per byte", "GFLOP/s"],
        lines: vec![
            roof(format!("products, one core: {} GFLOP/s", short(roofs.one_core)), roofs.one_core),
            roof(format!("products, all cores: {} GFLOP/s", short(roofs.all_cores)), roofs.all_cores),
        ],
        groups: groups.filter(|group| !group.places.is_empty()).collect(),
    }
}

/// A line for every point that is far below its roof.
fn remarks(points: &[Point]) -> String {
    let low = points.iter().filter(|point| point.share < LOW);
    let lines = low.map(|Point { setting, share, rate, .. }| {
        format!("{setting}: {:.0} % of its roof, {} GFLOP/s", 100.0 * share, short(*rate))
    });
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() {
        return "No point is below half of its roof.".into();
    }
    format!("Below half of the roof:\n{}", lines.join("\n"))
}
