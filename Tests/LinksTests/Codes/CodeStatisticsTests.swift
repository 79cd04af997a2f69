import Links
import Primitives
import Testing

/// Codes of consecutive numbers, taken as characters, behave as independent uniform ones. All bounds are six standard
/// deviations or more, and the key is fixed.
@Suite struct CodeStatisticsTests {
    static let count = 100_000
    static let seed: UInt64 = 42
    static let region = RegionCharacter(UInt8(ascii: "3"))!

    /// Bodies of consecutive numbers (`step` 1) or of one node's (16), as digits 0…61.
    static func bodies(from first: UInt64, step: UInt64) -> [[UInt8]] {
        var random = SeededRandom(seed: seed)
        let space = CodeSpace(key0: random.next(), key1: random.next(), regions: [region])
        return (0..<UInt64(count)).map { index in
            let code = space.code(of: first + index * step, region: region)
            return (1..<code.count).map { RegionCharacter(code[$0])!.index }
        }
    }

    static let runs: [(UInt64, UInt64)] = [
        (0, 1), (0, 16), (1 << 18, 1), (5, 16), (1_000_000_007, 16), (Base62.sixCharacters, 1),
        (Base62.sixCharacters + 3, 16),
    ]

    static func chiSquare(_ counts: [Int], total: Int) -> Double {
        let expected = Double(total) / Double(counts.count)
        return counts.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
    }

    /// 61 degrees of freedom: mean 61, deviation √122 = 11.
    static let bound = 61 + 6.0 * 11.1

    @Test(arguments: runs) func charactersAreUniformAtEveryPlace(first: UInt64, step: UInt64) {
        let bodies = Self.bodies(from: first, step: step)
        for place in bodies[0].indices {
            var counts = [Int](repeating: 0, count: 62)
            var differences = counts
            for index in bodies.indices {
                counts[Int(bodies[index][place])] += 1
                guard index > 0 else { continue }
                differences[(Int(bodies[index][place]) + 62 - Int(bodies[index - 1][place])) % 62] += 1
            }
            let ofCharacters = Self.chiSquare(counts, total: Self.count)
            let ofSteps = Self.chiSquare(differences, total: Self.count - 1)
            #expect(ofCharacters < Self.bound && ofSteps < Self.bound, "seed \(Self.seed) place \(place)")
        }
    }

    @Test(arguments: runs) func neighboursAreAsFarApartAsRandomCodes(first: UInt64, step: UInt64) {
        let bodies = Self.bodies(from: first, step: step)
        let width = Double(bodies[0].count)
        var (differing, sameFirst, sameTwo) = (0, 0, 0)
        for (left, right) in zip(bodies, bodies.dropFirst()) {
            differing += zip(left, right).count { $0 != $1 }
            if left[0] == right[0] {
                sameFirst += 1
                if left[1] == right[1] { sameTwo += 1 }
            }
        }
        let pairs = Double(Self.count - 1)
        let deviation = (width / 62 * 61 / 62 / pairs).squareRoot()
        #expect(abs(Double(differing) / pairs - width * 61 / 62) < 6 * deviation, "seed \(Self.seed)")
        #expect(abs(Double(sameFirst) - pairs / 62) < 6 * (pairs / 62).squareRoot(), "seed \(Self.seed)")
        #expect(Double(sameTwo) < pairs / 3844 + 6 * (pairs / 3844).squareRoot() + 1, "seed \(Self.seed)")
    }

    @Test(arguments: runs) func prefixesAreNotCrowded(first: UInt64, step: UInt64) {
        let bodies = Self.bodies(from: first, step: step)
        let cells = 62.0 * 62 * 62
        let prefixes = Set(bodies.map { (Int($0[0]) * 62 + Int($0[1])) * 62 + Int($0[2]) })
        // cells × (1 − e^(−count / cells)); the deviation of such a count is below √cells / 2.
        let expected = cells * (1 - 0.657_316_39)
        #expect(abs(Double(prefixes.count) - expected) < 6 * cells.squareRoot() / 2, "seed \(Self.seed)")
    }

    /// Two regions' codes of the same numbers have nothing in common.
    @Test func regionsDiffer() {
        var random = SeededRandom(seed: Self.seed)
        let other = RegionCharacter(UInt8(ascii: "4"))!
        let space = CodeSpace(key0: random.next(), key1: random.next(), regions: [Self.region, other])
        var same = 0
        for number in 0..<UInt64(Self.count) {
            let (left, right) = (space.code(of: number, region: Self.region), space.code(of: number, region: other))
            same += (1..<left.count).count { left[$0] == right[$0] }
        }
        let expected = Double(Self.count) * 6 / 62
        #expect(abs(Double(same) - expected) < 6 * expected.squareRoot(), "seed \(Self.seed)")
    }
}
