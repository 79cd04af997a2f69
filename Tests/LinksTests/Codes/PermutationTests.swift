import Links
import Primitives
import Testing

/// Every domain up to 130, and the surroundings of powers of two and of 62.
private let smallLasts: [UInt64] =
    Array(0...130) + [254, 255, 256, 1022, 1023, 1024, 3842, 3843, 4095, 4096, 16_383, 16_384, 65_535, 65_536, 238_327]

private let first: [UInt64] = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908]

@Test(arguments: smallLasts) func smallDomainsAreBijective(last: UInt64) {
    var random = SeededRandom(seed: last)
    for tweak: UInt8 in last > 10_000 ? [0] : [0, 1, 61] {
        let permutation = Permutation(key0: random.next(), key1: random.next(), tweak: tweak, last: last)
        var seen = [Bool](repeating: false, count: Int(last) + 1)
        var wrong = 0
        for element in 0...last {
            let image = permutation.apply(element)
            if image > last || seen[Int(image)] || permutation.invert(image) != element { wrong += 1 }
            if image <= last { seen[Int(image)] = true }
        }
        #expect(wrong == 0, "last \(last) tweak \(tweak)")
    }
}

private let largeLasts: [UInt64] = [
    Base62.sixCharacters - 1, Base62.sevenCharacters - 1, .max, 1 << 63, 1 << 62 - 1, 1 << 33,
]

@Test(arguments: largeLasts)
func largeDomainsInvertBothWays(last: UInt64) {
    let seed: UInt64 = 20_260_101
    var random = SeededRandom(seed: seed)
    let permutation = Permutation(key0: random.next(), key1: random.next(), tweak: 5, last: last)
    var elements = (0..<20_000).map { _ in UInt64.random(in: 0...last, using: &random) }
    elements += [0, 1, last - 1, last, last / 2]
    var wrong = 0
    for element in elements {
        let (image, preimage) = (permutation.apply(element), permutation.invert(element))
        if image > last || preimage > last { wrong += 1 }
        if permutation.invert(image) != element || permutation.apply(preimage) != element { wrong += 1 }
    }
    #expect(wrong == 0, "seed \(seed) last \(last)")
}

/// Codes outlive programs: these were computed by another implementation of the description.
@Test func elementsStayWhereTheyAre() {
    func images(_ last: UInt64) -> [UInt64] {
        let permutation = Permutation(key0: first[0], key1: first[1], tweak: 7, last: last)
        return (0...min(last, 11)).map { permutation.apply($0) }
    }
    #expect(images(9) == [5, 4, 2, 7, 0, 3, 8, 9, 1, 6])
    #expect(images(255) == [246, 161, 16, 106, 147, 78, 234, 197, 174, 198, 24, 10])
    #expect(images(256) == [236, 111, 229, 99, 53, 98, 94, 117, 144, 9, 232, 81])
}

@Test func keyTweakAndDomainEachMatter() {
    let seed: UInt64 = 7
    var random = SeededRandom(seed: seed)
    let (key0, key1, last) = (random.next(), random.next(), Base62.sixCharacters - 1)
    let base = Permutation(key0: key0, key1: key1, tweak: 1, last: last)
    let others = [
        Permutation(key0: key0 ^ 1, key1: key1, tweak: 1, last: last),
        Permutation(key0: key0, key1: key1 ^ 1 << 63, tweak: 1, last: last),
        Permutation(key0: key0, key1: key1, tweak: 2, last: last),
        Permutation(key0: key0, key1: key1, tweak: 1, last: Base62.sevenCharacters - 1),
    ]
    for other in others {
        let same = (0..<10_000).count { base.apply($0) == other.apply($0) }
        #expect(same == 0, "seed \(seed)")
    }
}

/// Flipping a bit of the element flips every bit of the image about half of the time.
@Test func oneBitChangesHalfOfTheImage() {
    let seed: UInt64 = 11
    var random = SeededRandom(seed: seed)
    let permutation = Permutation(key0: random.next(), key1: random.next(), tweak: 3, last: .max)
    let rounds = 400
    for bit in 0..<64 {
        var flips = [Int](repeating: 0, count: 64)
        for _ in 0..<rounds {
            let element = random.next()
            let difference = permutation.apply(element) ^ permutation.apply(element ^ 1 << UInt64(bit))
            for place in 0..<64 { flips[place] += Int(difference >> UInt64(place) & 1) }
        }
        // Six standard deviations of 400 fair coins.
        #expect(flips.allSatisfy { abs($0 - rounds / 2) <= 60 }, "seed \(seed) bit \(bit)")
    }
}
