// control_node: what a client in node needs for the same streams: its own http module and JSON.parse
// of each event, as programs of this kind in JavaScript do. Takes what control_reader takes:
//
//     node control_node.js PORT STREAMS GROUP
//
// Says "ready" when all streams have begun, and reads until its standard input closes.
'use strict';
const http = require('http');

const [port, streams, group] = [Number(process.argv[2]), Number(process.argv[3]), process.argv[4]];
const agent = new http.Agent({ keepAlive: false, maxSockets: Infinity });
let begun = 0;
let characters = 0;

function take(event) {
    const data = event.startsWith('data: ') ? 0 : event.indexOf('\ndata: ') + 1;
    const message = JSON.parse(event.slice(data + 6));
    if (message.type === 'content_block_delta')
        characters += message.delta.text.length;
}

function open() {
    const body = JSON.stringify({
        model: 'bench', max_tokens: 1, stream: true,
        messages: [{ role: 'user', content: `[[stream ${group} 0]]` }],
    });
    const request = http.request({
        agent, host: '127.0.0.1', port, path: '/v1/messages', method: 'POST',
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    }, (answer) => {
        let rest = '';
        answer.setEncoding('utf8');
        answer.once('data', () => {
            if (++begun === streams)
                process.stdout.write('ready\n');
        });
        answer.on('data', (text) => {
            rest += text;
            for (let end; (end = rest.indexOf('\n\n')) >= 0; rest = rest.slice(end + 2))
                take(rest.slice(0, end));
        });
        answer.on('end', () => {
            process.stderr.write('control_node: a stream ended\n');
            process.exit(1);
        });
    });
    request.on('error', (error) => {
        process.stderr.write(`control_node: ${error.message}\n`);
        process.exit(1);
    });
    request.end(body);
}

for (let i = 0; i < streams; i++)
    open();
process.stdin.on('end', () => process.exit(characters >= 0 ? 0 : 1));
process.stdin.resume();
