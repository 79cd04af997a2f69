import Links
import Testing

private let space = CodeSpace(key0: 1, key1: 2, regions: [RegionCharacter(UInt8(ascii: "1"))!])

private func error(_ text: String) -> AliasError? {
    do throws(AliasError) {
        _ = try Alias(Array(text.utf8).span.bytes, in: space)
        return nil
    } catch { return error }
}

private func importError(_ text: String) -> AliasError? {
    do throws(AliasError) {
        _ = try Alias(imported: Array(text.utf8).span.bytes)
        return nil
    } catch { return error }
}

@Test(arguments: [
    "abc", "A-b_9", "---", "___", "1-abcdef", "1abcde-", "2abcdef", "1abcde", "1abcdefgh", "apis", "api-", "ap1", "uis",
    String(repeating: "a", count: 64),
])
func aliases(text: String) throws {
    let alias = try Alias(Array(text.utf8).span.bytes, in: space)
    #expect(alias.bytes == Array(text.utf8))
    #expect(alias.description == text)
}

@Test(
    arguments: [
        ("", AliasError.length(0)), ("ab", .length(2)), ("ui", .length(2)), ("é", .length(2)),
        (String(repeating: "a", count: 65), .length(65)),
        ("api", .reserved), ("API", .reserved), ("Api", .reserved), ("health", .reserved), ("HeAlTh", .reserved),
        ("shorten", .reserved), ("ANALYTICS", .reserved), ("problems", .reserved), ("Robots.TXT", .reserved),
        ("favicon.ico", .reserved), (".well-known", .reserved),
        ("a b", .character(0x20, position: 1)), ("abc/", .character(0x2f, position: 3)),
        ("robots,txt", .character(0x2c, position: 6)), ("caf\u{e9}", .character(0xc3, position: 3)),
        ("\u{0}ab", .character(0, position: 0)), ("ab.", .character(0x2e, position: 2)),
        ("1abcdef", .generatedShape), ("1ABCDEFG", .generatedShape), ("1abcdefghijk", .generatedShape),
    ] as [(String, AliasError)])
func notAliases(text: String, expected: AliasError) {
    #expect(error(text) == expected)
    #expect(importError(text) == (expected == .generatedShape ? nil : expected))
}

@Test func messagesSayWhatToDo() {
    #expect(AliasError.length(2).message == "an alias has 3 to 64 characters, not 2")
    #expect(AliasError.character(0x20, position: 1).message == "character 2 is not one of A-Z, a-z, 0-9, _ and -")
    #expect(AliasError.generatedShape.message.contains("add a hyphen"))
    #expect(AliasError.reserved.message == "this name is reserved")
}

@Test func theHyphenHelps() {
    for text in ["1abcdef", "1abcdefg", "1abcdefghijk"] {
        #expect(error(text) == .generatedShape)
        #expect(error("\(text)-") == nil && error("1-\(text.dropFirst())") == nil)
    }
}

@Test func caseMakesAnotherAlias() throws {
    let lower = try Alias(Array("news".utf8).span.bytes, in: space)
    let upper = try Alias(Array("News".utf8).span.bytes, in: space)
    #expect(lower != upper)
}
