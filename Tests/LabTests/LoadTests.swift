import Primitives
import Testing
import lab

@Test func quantilesAreWithinAHundredth() {
    var random = SeededRandom(seed: 7)
    var histogram = LatencyHistogram()
    let values = (0..<20_000).map { _ in
        UInt64.random(in: 1...(1 << UInt64.random(in: 1...40, using: &random)), using: &random)
    }
    for value in values { histogram.add(value) }
    let sorted = values.sorted()
    for quantile in [0.01, 0.5, 0.9, 0.99, 1] {
        let exact = Double(sorted[Int((Double(sorted.count) * quantile).rounded(.up)) - 1])
        let found = Double(histogram.quantile(quantile))
        #expect(found >= exact && found <= exact * 1.01, "seed 7, quantile \(quantile)")
    }
    #expect(histogram.greatest == sorted.last!)
    #expect(histogram.count == 20_000)
}

@Test func histogramTakesTheExtremes() {
    var histogram = LatencyHistogram()
    #expect(histogram.quantile(0.5) == 0)
    histogram.add(0)
    histogram.add(.max, times: 2)
    #expect(histogram.quantile(0.1) == 0)
    #expect(histogram.quantile(0.5) == .max)
}

private let redirect = "HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: x\r\n\r\n"
private let created = "HTTP/1.1 201 Created\r\nDate: now\r\nContent-Length: 12\r\n\r\nabcdefghijkl"

@Test(arguments: [
    (redirect, 302, redirect.utf8.count), (created, 201, created.utf8.count),
    (created + redirect, 201, created.utf8.count), ("HTTP/1.1 204 No Content\r\n\r\nHTTP", 204, 27),
])
func answersEnd(text: String, status: Int, byteCount: Int) {
    let found = Array(text.utf8).withUnsafeBytes { ResponseScanner.first(of: $0) }
    #expect(found == ResponseScanner.Found(status: status, byteCount: byteCount))
}

@Test(arguments: [redirect, created])
func partsAreNoAnswers(text: String) {
    let bytes = Array(text.utf8)
    for count in 0..<bytes.count {
        bytes[..<count].withUnsafeBytes { #expect(ResponseScanner.first(of: $0) == nil) }
    }
}

@Test func optionsAreStrict() throws {
    let options = try Options(
        ["--rounds", "3", "--small", "--list", "1,64"], known: ["rounds", "list"], flags: ["small"])
    #expect(try options.whole("rounds", 1...5) == 3)
    #expect(try options.list("list", 1...100) == [1, 64])
    #expect(options.has("small"))
    #expect(throws: (any Error).self) { try options.whole("rounds", 1...2) }
    for wrong in [["--other", "1"], ["--rounds"], ["rounds", "1"], ["--rounds", "1", "--rounds", "1"]] {
        #expect(throws: (any Error).self) { try Options(wrong, known: ["rounds"]) }
    }
}
