import Testing
import lab

@Test(arguments: [
    (0, "0"), (0.1234, "0.123"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123"), (1234, "1 230"), (999.6, "1000"),
    (1_234_567, "1 230 000"),
])
func numbers(value: Double, text: String) { #expect(Figure.number(value) == text) }

@Test(arguments: [(0, "0"), (12, "12"), (123, "123"), (1234, "1 234"), (1_000_000, "1 000 000")])
func groups(value: Int, text: String) { #expect(Figure.grouped(value) == text) }

@Test(arguments: [(950, "0.950 us"), (12_300, "12.3 us"), (2_500_000, "2.50 ms")])
func durations(nanoseconds: Double, text: String) { #expect(Figure.duration(nanoseconds) == text) }

@Test(arguments: [([], 0), ([3], 3), ([3, 1], 2), ([9, 1, 5], 5)] as [([Double], Double)])
func medians(values: [Double], middle: Double) { #expect(median(values) == middle) }

@Test func tableIsAligned() {
    var table = Table("what", ["", "a second"])
    table.add(["floor", "1 000"])
    table.add(["edge, one", "7"])
    #expect(table.text == "what\n              a second\n  floor          1 000\n  edge, one          7\n")
}
