import HTTP
import Primitives
import Testing

@testable import Server

/// The description by itself.
struct DocumentTests {
    private let described = Described.usual

    /// A problem that is added belongs to an operation, to a line or entry of one, or to the admin port.
    @Test func problems() {
        let codes = Operation.describedProblems.map(\.code)
        let others = ProblemKind.ofAdminPort.map(\.code)
        #expect(Set(codes).isDisjoint(with: others))
        #expect(Set(codes + others) == Set(ProblemKind.all.map(\.code)))
        let kinds = described.document["components"]!["schemas"]!["Problem"]!["properties"]!["code"]!["enum"]!
        #expect(kinds.elements! == codes.map(JSONValue.string))
        for operation in Operation.allCases {
            let own = (Operation.problemsOfAll + operation.problems).map(\.code)
            #expect(Set(own).count == own.count, "\(operation) names a problem twice")
        }
    }

    /// Each row of the router's table is an operation of the description, and each of these is one of the router's.
    @Test func routes() throws {
        #expect(Set(described.paths.keys) == Set(Resource.allCases.map(\.rawValue)))
        for resource in Resource.allCases {
            let item = described.paths[resource.rawValue]!.members!
            let methods = resource.operations.map { "\($0.method.name)".lowercased() }
            #expect(Set(item.keys).subtracting(["parameters"]) == Set(methods), "\(resource)")
            #expect((item["parameters"] != nil) == (resource.parameter != nil))
            let path = resource.rawValue.replacing("{code}", with: "not-found").replacing("{id}", with: "abc")
            let found = try #require(Resource.find(path))
            #expect(found.resource == resource)
            #expect(described.place(path)?.path == resource.rawValue, "the checks' own reading")
        }
        let served = Set(Resource.allCases.flatMap { $0.operations.map(\.operation) })
        #expect(served == Set(Operation.allCases), "an operation that no path has")
        let names = described.paths.values.flatMap { $0.members!.values.compactMap { $0["operationId"]?.text } }
        #expect(Set(names).count == names.count && names.count == Resource.allCases.flatMap(\.operations).count)
    }

    /// Everything that is referred to is there, and everything that is there is referred to.
    @Test func references() {
        var seen: Set<String> = []
        func look(_ value: JSONValue) {
            for element in value.elements ?? [] { look(element) }
            for (name, member) in value.members ?? [:] {
                if name == "$ref", let path = member.text { seen.insert(path) }
                look(member)
            }
        }
        look(described.document)
        let check = SchemaCheck(document: described.document)
        for path in seen { #expect(check.resolved(.string(path)) != .null, "\(path) is not there") }
        // Of what is sent line by line a description can only give the name.
        seen.formUnion(["Change", "ImportResult"].map { "#/components/schemas/\($0)" })
        for (kind, members) in described.document["components"]!.members! where kind != "securitySchemes" {
            for name in members.members!.keys {
                #expect(seen.contains("#/components/\(kind)/\(name)"), "\(kind) \(name)")
            }
        }
    }

    /// It says who may make links, and with what status redirects answer.
    @Test func configuration() throws {
        var configuration = Configuration()
        configuration.anonymousCreate = false
        configuration.redirectStatus = .permanentRedirect
        let usual = OpenAPIDocument(Configuration(), publicURL: "http://localhost")
        let other = OpenAPIDocument(configuration, publicURL: "http://localhost")
        #expect(usual.entityTag != other.entityTag)
        #expect(OpenAPIDocument(Configuration(), publicURL: "http://localhost").body == usual.body)
        for (document, access, status) in [(usual, 3, "302"), (other, 2, "308")] {
            let described = Described(document.body)
            let create = try #require(described.operation("POST", "/api/v1/urls"))
            #expect(create["security"]?.elements?.count == access)
            #expect(described.operation("GET", "/abc")?["responses"]?[status] != nil)
            #expect(described.operation("GET", "/api/v1/urls")?["security"]?.elements?.count == 2)
        }
    }

    /// The checks find what is otherwise than described.
    @Test func faultsAreFound() {
        func answer(_ status: Int, _ fields: [(String, String)], _ body: String) -> Answer {
            Answer(status: status, fields: fields.map { (name: $0, value: $1) }, body: Array(body.utf8))
        }
        func faults(_ answer: Answer) -> [String] { described.faults(answer, "GET", "/health") }
        let fields = [
            ("content-type", "application/health+json"), ("cache-control", "no-store"),
            ("x-content-type-options", "nosniff"),
        ]
        #expect(faults(answer(200, fields, #"{"status":"pass","version":"1"}"#)).isEmpty)
        for wrong in [
            answer(418, fields, "{}"), answer(200, fields, #"{"status":"pass"}"#),
            answer(200, fields, #"{"status":"well","version":"1"}"#),
            answer(200, fields, #"{"status":"pass","version":1}"#),
            answer(200, fields, #"{"status":"pass","version":"1","more":1}"#), answer(200, fields, "no"),
            answer(200, [fields[0], fields[2]], #"{"status":"pass","version":"1"}"#),
            answer(200, Array(fields[..<2]), #"{"status":"pass","version":"1"}"#),
            answer(200, fields + [("x-new", "1")], #"{"status":"pass","version":"1"}"#),
            answer(200, [("content-type", "text/plain")] + fields[1...], #"{"status":"pass","version":"1"}"#),
            answer(405, fields, #"{"status":"pass","version":"1"}"#),
        ] {
            #expect(!faults(wrong).isEmpty, "\(wrong)")
        }
        #expect(described.faults(answer(418, [], ""), "GET", "/no/such/path").isEmpty)
        let schemas = SchemaCheck(document: described.document)
        #expect(schemas.faults(.null, try! JSONValue(Array(#"{"no-such-word":1}"#.utf8)), at: "").count == 1)
    }
}
