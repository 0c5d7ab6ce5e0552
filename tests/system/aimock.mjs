// aimock: the conversation of tests/lib/scene.h (somebody counts lines and the reply says how many), told to
// a mock provider that others have written. It says "port N" and ends with its standard input.
//
//     node aimock.mjs PATH-OF-ITS-INDEX.JS
import { pathToFileURL } from 'node:url';

const { LLMock } = await import(pathToFileURL(process.argv[2]).href);

const textOf = (content) =>
    typeof content === 'string' ? content : (content ?? []).map((part) => part.text ?? '').join('\n');
const call = (name, args) => ({ name, arguments: JSON.stringify(args) });

// What has come since the person, or a result, last said something in words.
function look(request) {
    const all = request.messages;
    let last = all.length - 1;
    while (last > 0 && all[last].role !== 'user') last--;
    const results = all.slice(last + 1).filter((m) => m.role === 'tool');
    return { said: textOf(all[last].content), results: results.map((m) => textOf(m.content)) };
}

function channel({ said, results }) {
    const found = /<<(.*?)>>/.exec(said);
    if (found) return { toolCalls: [call('reply', { content: `Counted – wc says: ${found[1]}.` })] };
    if (results.length === 0)
        return {
            reasoning: 'Somebody has to look.',
            toolCalls: [call('spawn_worker', { task: 'Count the lines of numbers.txt with wc.' })],
        };
    return { toolCalls: [call('reply', { content: 'I am having them counted.' })] };
}

function worker({ results }) {
    if (results.length === 0)
        return { content: 'Counting – 数える.', toolCalls: [call('shell', { command: 'wc -l numbers.txt' })] };
    if (results.length === 1)
        return {
            toolCalls: [call('set_status', { status: `<<${results[0].split('\n')[0]}>>`, kind: 'outcome' })],
        };
    return { content: 'The lines are counted.' };
}

function answer(request) {
    const tools = (request.tools ?? []).map((tool) => tool.function.name);
    return tools.includes('shell') ? worker(look(request)) : channel(look(request));
}

const mock = new LLMock({ port: 0, host: '127.0.0.1', logLevel: 'silent', chunkSize: 3 });
mock.on({ predicate: () => true }, answer);
await mock.start();
process.stdout.write(`port ${new URL(mock.url).port}\n`);
process.stdin.resume();
process.stdin.on('end', () => mock.stop().then(() => process.exit(0)));
