//! Repeated measurements of one quantity.

/// Samples in ascending order; at least one.
#[derive(Clone, Debug)]
pub(crate) struct Samples(Vec<f64>);

impl Samples {
    /// Takes over what was measured.
    pub(crate) fn new(mut samples: Vec<f64>) -> Self {
        assert!(!samples.is_empty(), "nothing was measured");
        samples.sort_by(f64::total_cmp);
        Self(samples)
    }

    /// The middle of them.
    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// The value that a tenth of them do not reach. For a cost, it is that of a machine that does
    /// nothing else: whatever disturbs only adds to it.
    pub(crate) fn lowest_tenth(&self) -> f64 {
        self.quantile(0.1)
    }

    /// The value that a quarter of them do not reach.
    pub(crate) fn lower_quartile(&self) -> f64 {
        self.quantile(0.25)
    }

    /// The value that a quarter of them exceed.
    pub(crate) fn upper_quartile(&self) -> f64 {
        self.quantile(0.75)
    }

    /// The value that one in a hundred of them exceeds.
    pub(crate) fn highest_hundredth(&self) -> f64 {
        self.quantile(0.99)
    }

    fn quantile(&self, fraction: f64) -> f64 {
        let place = fraction * (self.0.len() - 1) as f64;
        let (below, above) = (place.floor() as usize, place.ceil() as usize);
        let weight = place - place.floor();
        self.0[below] * (1.0 - weight) + self.0[above] * weight
    }
}

#[cfg(test)]
mod tests {
    use super::Samples;

    #[test]
    fn quantiles_lie_between_the_neighbouring_samples() {
        let samples = Samples::new(vec![4.0, 1.0, 3.0, 2.0]);
        assert_eq!(samples.lower_quartile(), 1.75);
        assert_eq!(samples.median(), 2.5);
        assert_eq!(samples.upper_quartile(), 3.25);
    }

    #[test]
    fn a_tenth_is_near_the_end() {
        let samples = Samples::new((0..=20).map(f64::from).collect());
        assert_eq!(samples.lowest_tenth(), 2.0);
    }
}
