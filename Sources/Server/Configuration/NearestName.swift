/// The name among `names` that `text` was probably meant to be: the same but for case and `-`, one that starts with
/// it, or one that a typing error or two away; nil if none is near.
func nearestName(to text: String, among names: [String]) -> String? {
    guard text.utf8.count <= 64 else { return nil }
    let wanted = Array(text.lowercased().replacing("-", with: "_").utf8)
    let allowed = min(2, wanted.count / 3)
    var best: (name: String, distance: Int)?
    for name in names {
        let candidate = Array(name.replacing("-", with: "_").utf8)
        let isStart = wanted.count >= 3 && candidate.starts(with: wanted)
        // Lengths apart are edits already, and cheaper to count.
        guard isStart || abs(candidate.count - wanted.count) <= allowed else { continue }
        let distance = candidate == wanted ? 0 : isStart ? 1 : editDistance(wanted, candidate)
        if distance <= max(allowed, isStart ? 1 : 0), distance < best?.distance ?? .max { best = (name, distance) }
    }
    return best?.name
}

/// Insertions, deletions, substitutions and swaps of neighbours that turn one into the other, where no place is
/// edited twice (optimal string alignment).
func editDistance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var before = [Int](repeating: 0, count: right.count + 1)
    var previous = Array(0...right.count)
    for i in 0..<left.count {
        var current = [i + 1]
        for j in 0..<right.count {
            let same = left[i] == right[j]
            var cost = min(previous[j] + (same ? 0 : 1), previous[j + 1] + 1, current[j] + 1)
            if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] { cost = min(cost, before[j - 1] + 1) }
            current.append(cost)
        }
        (before, previous) = (previous, current)
    }
    return previous[right.count]
}
