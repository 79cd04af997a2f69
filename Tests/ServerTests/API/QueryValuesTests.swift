import Primitives
import Testing

@testable import Server

struct QueryValuesTests {
    @Test func values() throws {
        let values = try QueryValues("a=x%20y+z&b=%c3%A9&n=7&t=2030-01-31T12:00:00%2B01:00&empty=")
        #expect(try values.text("a", 1...9) == "x y z" && values.text("b", 2...2) == "é")
        #expect(try values.text("empty", 0...0)?.isEmpty == true && values.text("none", 1...9) == nil)
        #expect(try values.number("n", 0...7) == 7 && values.number("none", 0...7) == nil)
        #expect(try values.instant("t") == Instant(rfc3339: "2030-01-31T11:00:00Z") && values.instant("none") == nil)
        #expect(values["a"] == "x%20y+z")
    }

    /// Most of them the reader of requests refuses already.
    @Test(arguments: ["%", "%4", "x%4", "%zz", "%+1", "%-1", "% 1", "%FF", "%C3", "%C3%28", ""]) func malformed(
        text: String
    ) throws {
        let values = try QueryValues("a=" + text)
        #expect(throws: RefusedRequest.self) { try values.text("a", 1...9) }
        #expect(throws: RefusedRequest.self) { try values.instant("a") }
        #expect(throws: RefusedRequest.self) { try values.number("a", 0...9) }
    }
}
