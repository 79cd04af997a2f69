import Testing

/// Style that can be counted.
struct StyleTests {
    private static let longestFile = 400
    private static let longestFunction = 70

    @Test func treeIsThere() {
        #expect(Tree.sources.count > 50)
        #expect(Tree.tests.contains { $0.path == "Tests/StyleTests/StyleTests.swift" })
        #expect(Tree.documents.count >= 4)
    }

    @Test func lengths() {
        for file in Tree.sources + Tree.tests {
            let lineCount = file.text.count { $0 == "\n" }
            #expect(lineCount <= Self.longestFile, "\(file) has \(lineCount) lines")
            for function in Code(file.text).functions where function.lineCount > Self.longestFunction {
                Issue.record("\(file):\(function.line): a function of \(function.lineCount) lines")
            }
        }
    }

    @Test func lengthsAreMeasured() {
        let code = Code(
            """
            struct Pair {
                init() { self.init("}\\("{")") }  // {
                func sum(_ add: (Int) -> Int = { $0 }) -> Int {
                    add(1)
                }
                var text = \"\"\"
                    func no() {
                    \"\"\"
            }
            protocol Wish { func none() }
            """)
        #expect(code.functions == [.init(line: 2, lineCount: 1), .init(line: 3, lineCount: 3)])
    }

    @Test func names() {
        for file in Tree.sources + Tree.tests {
            let code = String(decoding: Code(file.text).text, as: UTF8.self)
            let types = code.matches("\\b(?:class|struct|enum|actor|protocol|typealias)\\s+(\\w+)").map { $0[0] }
            for name in types + [file.name.replacing(".swift", with: "")] {
                for banned in ["Manager", "Helper", "Helpers", "Util", "Utils", "Common", "Base"] {
                    #expect(!name.hasSuffix(banned), "\(file): \(name) says nothing of what it is")
                }
            }
        }
    }

    @Test func words() {
        for file in Tree.all {
            for word in ["TO" + "DO", "FIX" + "ME", "XX" + "X"] {
                #expect(file.text.matches("\\b\(word)\\b").isEmpty, "\(file): \(word)")
            }
            // Nothing depends on where one machine keeps the project or its user's files.
            for path in ["/wo" + "rk/", "/ro" + "ot/", "/ho" + "me/"] {
                #expect(!file.text.contains(path), "\(file): \(path)")
            }
        }
    }

    @Test func testsDoNotSleep() {
        for file in Tree.tests {
            let code = String(decoding: Code(file.text).text, as: UTF8.self)
            let calls = code.matches("\\b(?:u|nano)?sleep\\s*\\(|\\b(?:Task|Thread)\\.sleep\\b").map { $0[0] }
            #expect(calls.isEmpty, "\(file) waits for time to pass instead of for what it wants")
        }
    }

    @Test func topLevel() {
        let allowed: Set = ["Package.swift", "README.md", "Sources", "Tests", "edge.conf.example"]
        let ignored = Tree.file(".gitignore").lines.map { $0.hasSuffix("/") ? String($0.dropLast()) : String($0) }
        for name in Tree.visibleNames where !ignored.contains(name) {
            #expect(allowed.contains(name), "\(name) at the top of the repository")
        }
    }
}
