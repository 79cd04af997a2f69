import Links
import Primitives
import Store

/// Which of a store's links are asked for, drawn anew for each request.
package struct LinkDraw: Sendable {
    package enum Law: Equatable, Sendable {
        /// The n-th most popular link is asked for 1/n^exponent as often as the first.
        case zipf(Double)
        case uniform

        package var description: String {
            switch self {
            case .zipf(let exponent): "Zipf, exponent \(Figure.fixed(exponent, 2))"
            case .uniform: "uniform"
            }
        }
    }

    private let codes: IssuedCodes
    private let zipf: Zipf
    private let step: UInt64
    private var random: SeededRandom

    package init(_ codes: IssuedCodes, _ law: Law, seed: UInt64 = 42) {
        precondition(codes.count > 0 && codes[0].count == codes[codes.count - 1].count)
        self.codes = codes
        switch law {
        case .zipf(let exponent): zipf = Zipf(objects: codes.count, exponent: exponent)
        case .uniform: zipf = Zipf(objects: codes.count, exponent: 0)
        }
        step = Self.step(codes.count)
        random = SeededRandom(seed: seed)
    }

    /// Characters of each code.
    package var codeBytes: Int { codes[0].count }

    package mutating func next() -> Code { codes[Self.place(zipf.rank(&random), of: codes.count, step)] }

    /// Popular links are not neighbours in the store: ranks are spread over all places, each place has one rank.
    package static func place(_ rank: Int, of count: Int, _ step: UInt64) -> Int {
        let product = UInt64(rank).multipliedFullWidth(by: step)
        return Int(UInt64(count).dividingFullWidth(product).remainder)
    }

    /// The golden section of `count`, or the next number that has no divisor in common with it.
    package static func step(_ count: Int) -> UInt64 {
        var step = max(1, UInt64(Double(count) * 0.618_033_988_749_895))
        func common(_ one: UInt64, _ other: UInt64) -> UInt64 { other == 0 ? one : common(other, one % other) }
        while common(step, UInt64(count)) != 1 { step += 1 }
        return step
    }
}
