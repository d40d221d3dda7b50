"""A to-do list, in memory: what one environment knows is gone with it."""

from itertools import count

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

app = FastAPI(title="To-do")
numbers = count(1)
todos: dict[int, dict] = {}


class Todo(BaseModel):
    title: str = Field(min_length=1, max_length=200)
    done: bool = False


@app.get("/")
async def everything():
    return list(todos.values())


@app.post("/", status_code=201)
async def add(todo: Todo):
    number = next(numbers)
    todos[number] = {"id": number, **todo.model_dump()}
    print(f"added {number}")
    return todos[number]


@app.get("/{number}")
async def one(number: int):
    if number not in todos:
        raise HTTPException(404, "no such to-do")
    return todos[number]
