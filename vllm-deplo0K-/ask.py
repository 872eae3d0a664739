# pip install openai
from openai import OpenAI

client = OpenAI(base_url='http://127.0.0.1:8000/v1', api_key="none")
answer = client.chat.completions.create(
    model='test/llama-8b',
    messages=[{"role": "user", "content": "Say hello in five words."}],
    max_tokens=64,
)
print(answer.choices[0].message.content)
