import Primitives
import Testing
import lab

/// What the law says of each rank, exactly.
private func probabilities(_ objects: Int, _ exponent: Double) -> [Double] {
    let weights = (1...objects).map { power(Double($0), exponent) }
    let sum = weights.reduce(0, +)
    return weights.map { $0 / sum }
}

/// x^-exponent for exponents that are tenths, without the library that is tested: by the tenth root.
private func power(_ x: Double, _ exponent: Double) -> Double {
    var root = 1.0 + x / 10
    for _ in 0..<200 { root -= (tenth(root) - x) / (10 * tenth(root) / root) }
    let tenths = Int((exponent * 10).rounded())
    return 1 / (0..<tenths).reduce(1.0) { product, _ in product * root }
}

private func tenth(_ x: Double) -> Double { (0..<10).reduce(1.0) { product, _ in product * x } }

/// Pearson's statistic of many draws, of which it is 1 in 10 000 that it lies beyond the bound if the law holds: degrees of
/// freedom + 4 standard deviations.
@Test(arguments: [(1, 1.0), (2, 1.0), (10, 0.0), (10, 0.8), (100, 1.0), (1000, 1.0), (1000, 1.2), (50, 2.0)])
func drawsFollowTheLaw(objects: Int, exponent: Double) {
    let draws = 400_000
    let law = Zipf(objects: objects, exponent: exponent)
    var random = SeededRandom(seed: 9)
    var counts = [Int](repeating: 0, count: objects)
    for _ in 0..<draws { counts[law.rank(&random)] += 1 }
    let expected = probabilities(objects, exponent).map { $0 * Double(draws) }
    let statistic = zip(counts, expected).reduce(0) { sum, pair in
        sum + (Double(pair.0) - pair.1) * (Double(pair.0) - pair.1) / pair.1
    }
    let freedom = Double(objects - 1)
    #expect(statistic <= freedom + 4 * (2 * freedom).squareRoot() + 4, "seed 9, statistic \(statistic)")
}

/// Of many objects, the first ranks are as likely as their sum says, and the last ones are reached.
@Test func manyObjectsNeedNoTable() {
    let law = Zipf(objects: 1_000_000_000, exponent: 1)
    var random = SeededRandom(seed: 5)
    let draws = 1_000_000
    var (first, last) = (0, 0)
    for _ in 0..<draws {
        let rank = law.rank(&random)
        #expect(rank >= 0 && rank < 1_000_000_000)
        if rank == 0 { first += 1 }
        if rank >= 500_000_000 { last += 1 }
    }
    // H(10^9) = ln 10^9 + 0.5772… = 21.300; the upper half has ln 2 of it.
    #expect(abs(Double(first) / Double(draws) - 1 / 21.300) < 0.001, "seed 5")
    #expect(abs(Double(last) / Double(draws) - 0.6931 / 21.300) < 0.001, "seed 5")
}

@Test(arguments: [1, 2, 3, 10, 97, 100, 4096, 99_999])
func ranksHavePlacesOfTheirOwn(count: Int) {
    let step = LinkDraw.step(count)
    let places = Set((0..<count).map { LinkDraw.place($0, of: count, step) })
    #expect(places.count == count && places.allSatisfy { (0..<count).contains($0) })
}

@Test func popularLinksAreNoNeighbours() {
    let (count, step) = (100_000_000, LinkDraw.step(100_000_000))
    let places = (0..<100).map { LinkDraw.place($0, of: count, step) }.sorted()
    #expect(zip(places, places.dropFirst()).allSatisfy { $1 - $0 > 100_000 })
}
