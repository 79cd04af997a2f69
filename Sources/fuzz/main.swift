import Glibc
import HTTP
import Import
import Links
import Primitives
import Replication
import Server
import Store

/// What reads bytes from strangers, and the checks that its module keeps for it. A broken one traps.
enum Target: String, CaseIterable {
    case http, configuration, records, destination, queries, json, forwarded, replication, tokens, imports, jwt, jwtkeys
    case blocklists, peerrecords

    func check(_ bytes: RawSpan) {
        switch self {
        case .http: fuzzRequestReader(bytes)
        case .configuration: fuzzConfiguration(bytes)
        case .records: fuzzRecords(bytes)
        case .destination: fuzzDestination(bytes)
        case .queries: fuzzQueries(bytes)
        case .json: fuzzJSON(bytes)
        case .forwarded: fuzzForwarded(bytes)
        case .replication: fuzzReplication(bytes)
        case .tokens: fuzzTokens(bytes)
        case .imports: fuzzImports(bytes)
        case .jwt: fuzzJWT(bytes)
        case .jwtkeys: fuzzJWTKeys(bytes)
        case .blocklists: fuzzBlockLists(bytes)
        case .peerrecords: fuzzPeerRecords(bytes)
        }
    }
}

/// libFuzzer's own loop, and the name under which it wants to know of its callback (llvm.org/docs/LibFuzzer.html).
typealias Callback = @convention(c) (UnsafePointer<UInt8>?, Int) -> Int32

@_silgen_name("LLVMFuzzerRunDriver")
func runDriver(
    _ count: UnsafeMutablePointer<Int32>,
    _ arguments: UnsafeMutablePointer<UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>>, _ callback: Callback
) -> Int32

@_cdecl("LLVMFuzzerTestOneInput")
func testOneInput(_ data: UnsafePointer<UInt8>?, _ count: Int) -> Int32 {
    chosenTarget.check(UnsafeRawBufferPointer(start: data, count: count).bytes)
    return 0
}

/// An environment variable and no argument, because libFuzzer starts itself anew with its arguments.
let chosenTarget: Target = {
    let name = getenv("EDGE_FUZZ_TARGET").map { String(cString: $0) } ?? ""
    guard let target = Target(rawValue: name) else {
        let names = Target.allCases.map(\.rawValue).joined(separator: " ")
        StandardStream.error.write("fuzz: EDGE_FUZZ_TARGET must be one of: \(names)\n")
        exit(64)
    }
    return target
}()

var argumentCount = CommandLine.argc
var arguments = CommandLine.unsafeArgv
exit(runDriver(&argumentCount, &arguments, testOneInput))
