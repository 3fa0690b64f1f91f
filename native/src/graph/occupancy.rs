//! How long none, one, or several of some intervals run: `occupancy` of processors/call_graph/hops.py.

/// Of the time from `start` to `end`, with none, exactly one, and more of the intervals.
pub fn occupancy(start: i64, end: i64, intervals: &[(i64, i64)]) -> (i64, i64, i64) {
    let inside = || {
        let clipped = intervals.iter().map(|&(low, high)| (low.max(start), high.min(end)));
        clipped.filter(|(low, high)| low < high)
    };
    if inside().take(2).count() < 2 {
        let one = inside().map(|(low, high)| high - low).sum();
        return (end - start - one, one, 0);
    }
    let mut steps: Vec<(i64, i32)> = inside().flat_map(|(low, high)| [(low, 1), (high, -1)]).collect();
    steps.sort_unstable();
    let mut spent = [0; 3];
    let (mut running, mut at) = (0, start);
    for (time, change) in steps {
        spent[running.clamp(0, 2) as usize] += time - at;
        (running, at) = (running + change, time);
    }
    (spent[0] + end - at, spent[1], spent[2])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_parts_sum_to_the_whole() {
        assert_eq!(occupancy(0, 100, &[]), (100, 0, 0));
        assert_eq!(occupancy(0, 100, &[(-5, 10), (200, 300)]), (90, 10, 0));
        assert_eq!(occupancy(0, 100, &[(10, 40), (30, 60)]), (50, 40, 10));
        assert_eq!(occupancy(0, 100, &[(10, 40), (40, 60), (0, 200)]), (0, 50, 50));
    }
}
