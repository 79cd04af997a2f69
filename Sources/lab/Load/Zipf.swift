import Glibc
import Primitives

/// Draws ranks from 0, each with a probability proportional to 1/(rank + 1)^exponent, in constant time and without a
/// table: rejection-inversion of Hörmann and Derflinger ("Rejection-inversion to generate variates from monotone
/// discrete distributions", 1996).
///
/// The hat is h(x) = x^-exponent; H is its integral. A point drawn evenly under the hat falls into the histogram of the
/// law nearly always; else another is drawn.
package struct Zipf: Sendable {
    package let objects: Int
    package let exponent: Double
    private let integralOfFirst, integralOfLast, shortcut: Double

    /// `exponent` 0 is the uniform law.
    package init(objects: Int, exponent: Double) {
        precondition(objects >= 1 && exponent >= 0 && exponent <= 10)
        (self.objects, self.exponent) = (objects, exponent)
        integralOfFirst = Self.integral(1.5, exponent) - 1
        integralOfLast = Self.integral(Double(objects) + 0.5, exponent)
        shortcut =
            2 - Self.inverse(Self.integral(2.5, exponent) - Self.hat(2, exponent), exponent)
    }

    package func rank(_ random: inout SeededRandom) -> Int {
        while true {
            let unit = Double(random.next() >> 11) * 0x1p-53
            let drawn = integralOfLast + unit * (integralOfFirst - integralOfLast)
            let x = Self.inverse(drawn, exponent)
            let nearest = min(max(x.rounded(), 1), Double(objects))
            if nearest - x <= shortcut
                || drawn >= Self.integral(nearest + 0.5, exponent) - Self.hat(nearest, exponent)
            {
                return Int(nearest) - 1
            }
        }
    }

    private static func hat(_ x: Double, _ exponent: Double) -> Double { exp(-exponent * log(x)) }

    /// (x^(1 - exponent) - 1) / (1 - exponent), and log x where that has no value.
    private static func integral(_ x: Double, _ exponent: Double) -> Double {
        let (power, logarithm) = (1 - exponent, log(x))
        return abs(power) < 1e-9 ? logarithm : expm1(power * logarithm) / power
    }

    private static func inverse(_ value: Double, _ exponent: Double) -> Double {
        let power = 1 - exponent
        // Rounding may lead out of the range of the logarithm.
        return exp(abs(power) < 1e-9 ? value : log1p(max(-1, power * value)) / power)
    }
}
