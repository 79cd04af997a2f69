import Foundation
import Links
import Store
import Testing

@Suite struct IssuedCodesTests {
    let directory = TemporaryDirectory()
    let clock = TestClock()

    private func text(_ codes: IssuedCodes) -> [[UInt8]] {
        (0..<codes.count).map { index in
            var code: [UInt8] = []
            code.append(codes[index])
            return code
        }
    }

    @Test func areThoseThatWereGivenOut() throws {
        let own = settings(directory, clock: clock)
        try withStore(own) { store in
            clock.advance(milliseconds: 1000)
            let made = store.createMany((0..<100).map { NewLink(body: body("https://example.com/\($0)")) })
            _ = try store.createAndWait("https://example.com/alias", alias: "an-alias")
            // Of a store in use.
            #expect(try text(IssuedCodes(directory: directory.store)) == made.map { try $0.get().code })
        }
        // And on after a restart.
        try withStore(own) { store in
            clock.advance(milliseconds: 1000)
            let code = try store.createAndWait("https://example.com/later").code
            let codes = try text(IssuedCodes(directory: directory.store))
            #expect(codes.count == 101 && codes.last == code)
        }
    }

    @Test func gapsAreToldOf() throws {
        let own = settings(directory, clock: clock)
        _ = try makeStore(own, clock: clock, generated: 3, aliases: 0)
        try FileManager.default.removeItem(atPath: directory.identity)
        _ = try makeStore(own, clock: clock, generated: 3, aliases: 0)
        #expect {
            try IssuedCodes(directory: directory.store)
        } throws: {
            "\($0)".contains("gaps")
        }
    }

    @Test func noStoreHasNone() throws {
        #expect(throws: StoreError.self) { try IssuedCodes(directory: directory.store) }
    }
}
