//! The number of steps between two looks at the residuals.

/// The number of steps before the first look.
const FIRST: usize = 6;

/// The least number of steps between two looks.
const LEAST: usize = 3;

/// The most steps between two looks: the iterates of all of them are in the memory of the device.
const MOST: usize = 16;

/// The most steps before a first look that follows a similar solve, if their iterates fit in `MEMORY`.
const MOST_EXPECTED: usize = 32;

/// Bytes of iterates.
const MEMORY: usize = 64 << 20;

/// When the host looks next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Schedule {
    /// Steps until then.
    length: usize,
}

impl Schedule {
    /// The first look is after `FIRST` steps, or one step after the number that a similar solve took. An iterate takes this
    /// many bytes.
    pub(super) fn new(expected: Option<usize>, bytes: usize) -> Self {
        let steps = match expected {
            None => FIRST,
            Some(expected) if expected < MOST_EXPECTED && (expected + 2) * bytes <= MEMORY => expected + 1,
            Some(expected) => (expected + 1).min(MOST),
        };
        Self { length: 1 + steps }
    }

    /// The number of points to evaluate before the next look, of at most `limit` that the budget permits.
    pub(super) fn length(self, limit: usize) -> usize {
        self.length.min(limit).max(1)
    }

    /// After a look at a number of steps, with a prediction of how many more are needed.
    pub(super) fn looked(&mut self, steps: usize, predicted: usize) {
        self.length = predicted.clamp(LEAST, steps.clamp(LEAST, MOST));
    }

    /// After a step that the host had to take part in: its result is to be seen at once.
    pub(super) fn interrupted(&mut self) {
        self.length = 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The looks of a solve whose prediction is right from the first look on.
    fn looks(needed: usize) -> (usize, usize) {
        let (mut schedule, mut points, mut looks) = (Schedule::new(None, 1), 0, 0);
        while points < needed + 1 {
            points += schedule.length(usize::MAX);
            looks += 1;
            schedule.looked(points - 1, needed.saturating_sub(points - 1));
        }
        (looks, points - 1 - needed)
    }

    #[test]
    fn steps_beyond_the_end_are_few_where_the_prediction_is_right() {
        for needed in 1..200 {
            let (looks, beyond) = looks(needed);
            let most = if needed < FIRST { FIRST } else { LEAST };
            assert!(beyond < most && looks <= 1 + needed / FIRST, "{needed}: {looks} looks, {beyond} beyond");
        }
        assert_eq!([4, 8, 12, 24, 100].map(looks), [(1, 2), (2, 1), (2, 0), (3, 0), (8, 0)]);
    }

    #[test]
    fn a_wrong_prediction_costs_at_most_as_many_steps_as_before() {
        let mut schedule = Schedule::new(None, 1);
        for steps in 4..100 {
            schedule.looked(steps, usize::MAX);
            assert!(schedule.length(usize::MAX) <= steps && schedule.length(usize::MAX) <= MOST);
            schedule.looked(steps, 0);
            assert_eq!(schedule.length(usize::MAX), LEAST);
        }
        assert_eq!((schedule.length(2), schedule.length(0)), (2, 1));
        schedule.interrupted();
        assert_eq!(schedule.length(9), 1);
    }

    #[test]
    fn the_first_look_follows_a_similar_solve() {
        let length = |expected, bytes| Schedule::new(Some(expected), bytes).length(usize::MAX);
        for expected in 0..MOST_EXPECTED {
            assert_eq!(length(expected, 1), expected + 2);
            assert_eq!(length(expected, MEMORY), expected.min(MOST - 1) + 2);
        }
        assert_eq!(length(MOST_EXPECTED, 1), MOST + 1);
        assert_eq!([length(30, MEMORY / 32), length(30, MEMORY / 32 + 1)], [32, MOST + 1]);
    }
}
